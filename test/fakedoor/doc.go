// Package fakedoor stands in tests where Google stands in front of a cluster's API server:
// the IP and DNS endpoints of GKE, and Connect gateway. It is TLS and a bearer token: what
// carries no token that Tokens gave out is answered 401, the rest goes on to a handler,
// such as To, which sends it to fakekube or to a real control plane.
//
// A Front has a certificate of its own, as each GKE cluster has. Move gives it another
// address and another certificate, as the rotation of a control plane's IP, or a cluster
// made anew under its name, does.
package fakedoor
