package browser

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// questions counts how often the page has asked for the graph.
const questions = `performance.getEntriesByType("resource").filter((e) => e.name.includes("/_emu/graph")).length`

// pass lets time go by at once, as the page's timers know it.
func (p *tab) pass(d time.Duration) {
	p.t.Helper()
	budget := float64(d.Milliseconds())
	start := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetVirtualTimePolicy, emulation.SetVirtualTimePolicyParams{
			Policy: emulation.VirtualTimePolicyPauseIfNetworkFetchesPending, Budget: &budget,
		})
		return err
	})
	if _, err := chromedp.Run(p.ctx, chromedp.WaitEvent(emulation.VirtualTimeBudgetExpired, nil, start)); err != nil {
		p.t.Fatal(err)
	}
}

// hide tells the page that nobody sees it, or that somebody does again.
func (p *tab) hide(hidden bool) {
	p.t.Helper()
	ask[any](p, fmt.Sprintf(`(() => {
		Object.defineProperty(document, "hidden", { configurable: true, value: %t });
		document.dispatchEvent(new Event("visibilitychange"));
	})()`, hidden))
}

// TestAsksWhileSeen: the page asks every two seconds, unless nobody looks or it is paused.
func TestAsksWhileSeen(t *testing.T) {
	p := open(t, newWorld(t).base+"/")
	p.seeText("header", "Live")
	asked := func(what string, least, most int) {
		t.Helper()
		before := ask[int](p, questions)
		p.pass(20 * time.Second)
		if n := ask[int](p, questions) - before; n < least || n > most {
			t.Errorf("%s: asked %d times in 20 s, want %d to %d", what, n, least, most)
		}
	}
	asked("seen", 8, 10)
	p.hide(true)
	asked("hidden", 0, 0)
	p.hide(false)
	asked("seen again", 8, 11)
	ask[any](p, `document.getElementById("pause").click()`)
	asked("paused", 0, 0)
	p.hide(true)
	p.hide(false)
	asked("paused and seen again", 0, 0)
	ask[any](p, `document.getElementById("pause").click()`)
	asked("resumed", 8, 11)
}

// TestEmulatorGone: what was seen last stays, the page says that it is old, and goes on when
// the emulator is back.
func TestEmulatorGone(t *testing.T) {
	w := newWorld(t)
	w.group("web", "")
	address := "127.0.0.1:0"
	serve := func() *httptest.Server {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		address = listener.Addr().String()
		s := &httptest.Server{Listener: listener, Config: &http.Server{Handler: w.server}}
		s.Start()
		t.Cleanup(s.Close)
		return s
	}
	first := serve()
	p := openTolerant(t, "http://"+address+"/")
	p.seeText(node(groups+"web"), "no endpoints")
	first.CloseClientConnections()
	first.Close()
	p.seeText("#status", "No answer")
	p.seeText(node(groups+"web"), "no endpoints")
	w.group("more", "")
	serve()
	p.seeText(node(groups+"more"), "no endpoints")
	p.seeText("#status", "Live")
}
