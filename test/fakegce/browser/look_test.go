package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/negfleet/negfleet/test/fakegce"
)

// TestContrast: every word can be read in light and in dark, 4.5 to 1 as WCAG AA asks.
func TestContrast(t *testing.T) {
	w := newWorld(t)
	good, _ := w.web()
	w.group("alone", "", addresses(7)...)
	for i, state := range []string{"DRAINING", "UNKNOWN"} {
		at := fmt.Sprintf("127.0.0.%d:9", 10+i)
		w.attach("web", at)
		if err := w.server.ForceHealth(fakegce.HealthRule{Endpoint: at, State: state}); err != nil {
			t.Fatal(err)
		}
	}
	p := open(t, w.base+"/")
	p.seeText(node(groups+"web#"+good), good+" healthy")
	for _, scheme := range []string{"light", "dark"} {
		p.scheme(scheme)
		p.click(node(global + "urlMaps/web"))
		p.seeText("#panel", `"defaultService"`)
		ask[any](p, `document.getElementById("canvas").classList.remove("selecting")`) // dimmed is meant to be faint
		p.see(`document.getAnimations().length === 0`)
		if faint := ask[[]string](p, faintWords); len(faint) > 0 {
			t.Errorf("%s: %q", scheme, faint)
		}
		p.click("#panel .close")
	}
}

// faintWords lists the elements with text of their own that stand out too little.
const faintWords = `(() => {
	const parse = (color) => color.match(/[\d.]+/g).map(Number);
	const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => {
		for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] === 1) return c; }
		return [255, 255, 255];
	};
	const own = (e) => [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim()) && e.getClientRects().length;
	const all = [...document.body.querySelectorAll("*")].filter((e) => own(e) && e.tagName !== "OPTION");
	if (all.length < 40) return ["only " + all.length + " words"];
	return all.map((e) => {
		const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
		return [(a + 0.05) / (b + 0.05), e];
	}).filter(([ratio]) => ratio < 4.5).map(([ratio, e]) => ratio.toFixed(2) + " " + e.className + ": " + e.textContent.slice(0, 40));
})()`

// TestWidths: in windows wide and narrow the page itself never scrolls sideways, and neither
// words nor cards lie upon each other.
func TestWidths(t *testing.T) {
	w := newWorld(t)
	good, _ := w.web()
	w.group(longest, "", addresses(30)...)
	w.service("idle", "", longest)
	p := open(t, w.base+"/")
	p.seeText(node(groups+"web#"+good), good+" healthy")
	for _, width := range []int64{360, 768, 1280, 2560} {
		p.do(chromedp.EmulateViewport(width, 800))
		p.see(fmt.Sprintf(`innerWidth === %d && document.documentElement.scrollWidth <= innerWidth`, width))
		p.see(overlaps + ".length === 0")
		p.click(node(groups + "web#" + good))
		p.seeText("#panel", "Health by backend service")
		p.see(overlaps + ".length === 0")
		p.click("#panel .close")
	}
}

const longest = "a-name-that-is-as-long-as-the-rules-of-the-service-let-it-be-ab" // 63 characters

// overlaps lists what lies upon its neighbour, or reaches out of what holds it.
const overlaps = `[...document.querySelectorAll("#canvas ol")].flatMap((list) => [...list.children].filter((li, i, all) =>
	(i > 0 && li.getBoundingClientRect().top < all[i - 1].getBoundingClientRect().bottom) ||
	[...li.querySelectorAll("*")].some((e) => e.getBoundingClientRect().right > li.getBoundingClientRect().right + 1)))`
