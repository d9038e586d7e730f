package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for what never comes.
const patience = 30 * time.Second

// chromium is the path of a browser, or empty.
func chromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// tab is one page in a browser of its own, and what the browser had to complain of.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// open shows a page; a complaint of the browser fails the test at its end.
func open(t *testing.T, url string) *tab {
	t.Helper()
	p := openTolerant(t, url)
	t.Cleanup(func() {
		if list := p.complained(); len(list) > 0 {
			t.Errorf("the browser complains:\n%s", strings.Join(list, "\n"))
		}
	})
	return p
}

func openTolerant(t *testing.T, url string) *tab {
	t.Helper()
	path := chromium()
	if path == "" {
		t.Skip("no chromium is installed, the page is not looked at: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(1440, 900))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to sandbox what root starts
	}
	ctx, cancelBrowser := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancelTab := chromedp.NewContext(ctx)
	ctx, cancelWait := context.WithTimeout(ctx, 4*patience)
	t.Cleanup(func() { cancelWait(); cancelTab(); cancelBrowser() })
	p := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	p.do(chromedp.Navigate(url))
	return p
}

// hear takes down errors, refusals of the policy and all that is written to the console.
func (p *tab) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		p.complaints = append(p.complaints, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
	case *runtime.EventExceptionThrown:
		p.complaints = append(p.complaints, exception(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		p.complaints = append(p.complaints, "console: "+string(e.Type))
	}
}

func exception(e *runtime.ExceptionDetails) string {
	if e.Exception != nil && e.Exception.Description != "" {
		return e.Exception.Description
	}
	return e.Text
}

func (p *tab) complained() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.complaints)
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// ask evaluates an expression in the page.
func ask[T any](p *tab, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// see waits until an expression is true in the page. It looks from inside: the policy that
// the page runs under has no place for the driver's own way.
func (p *tab) see(expression string) {
	p.t.Helper()
	wait := fmt.Sprintf(`new Promise((done) => {
		const end = performance.now() + %d;
		const look = () => { let seen = false; try { seen = Boolean(%s); } catch {} if (seen || performance.now() > end) done(seen); else setTimeout(look, 20); };
		look();
	})`, patience.Milliseconds(), expression)
	if !ask[bool](p, wait) {
		p.t.Fatalf("never seen: %s\nthe page says:\n%s", expression, ask[string](p, "document.body.innerText"))
	}
}

// seeText waits until all of it is on the page, as a person reads it.
func (p *tab) seeText(selector string, parts ...string) {
	p.t.Helper()
	for _, part := range parts {
		p.see(fmt.Sprintf("[...document.querySelectorAll(%q)].some((e) => e.innerText.replace(/\\s+/g, ' ').includes(%q))", selector, part))
	}
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// slash presses a key that has a text as a keyboard does: a page that takes the key keeps
// the text from being typed. The driver sends them apart.
func (p *tab) slash() {
	p.t.Helper()
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		event := input.DispatchKeyEventParams{Type: kind, Key: "/", Code: "Slash"}
		if kind == input.DispatchKeyEventTypeKeyDown {
			event.Text = "/"
		}
		if _, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, event); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *tab) scheme(name string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// node is the selector of a node's card, or of an endpoint "GROUP#ADDRESS".
func node(id string) string { return fmt.Sprintf(`#canvas [data-node="%s"]`, id) }
