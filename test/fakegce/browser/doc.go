// Package browser looks at the emulator's page in a real browser, Chromium without a window:
// a load balancer is made through the API by its own client, and what a person then sees is
// what is asserted, after the page's scripts have run under its own policy.
//
// It is a module of its own because the driver of the browser is no dependency of negfleet,
// and it has tests only. Without a browser they skip and say so.
package browser
