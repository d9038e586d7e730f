package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	compute "google.golang.org/api/compute/v1"

	"github.com/negfleet/negfleet/test/fakegce"
)

// TestChain: a person sees the whole chain, what is really probed, and what leads nowhere.
func TestChain(t *testing.T) {
	w := newWorld(t)
	good, bad := w.web()
	w.group("alone", "")
	w.service("idle", "")
	p := open(t, w.base+"/")
	p.seeText(node(global+"forwardingRules/web"), "web global 198.51.100.7:80 TCP · EXTERNAL_MANAGED")
	p.seeText(node(global+"targetHttpProxies/web"), "web global HTTP")
	p.seeText(node(global+"urlMaps/web"), "web global")
	p.seeText(node(global+"backendServices/web"), "HTTP · EXTERNAL_MANAGED · check web", "1 unhealthy", "1 healthy")
	p.seeText(node(groups+"web"), zone, "NON_GCP_PRIVATE_IP_PORT · 2 endpoints", "1 unhealthy", "1 healthy")
	p.seeText(node(groups+"web#"+good), good+" healthy")
	p.seeText(node(groups+"web#"+bad), bad+" unhealthy")
	p.seeText(node(groups+"alone"), "no backend service uses it", "no endpoints")
	p.seeText(node(global+"backendServices/idle"), "no forwarding rule leads here", "no backends")
	p.seeText("header", "1 unhealthy 1 healthy", "Live")
	for _, edge := range []string{
		"forwardingRules/web>targetHttpProxies/web", "targetHttpProxies/web>urlMaps/web", "urlMaps/web>backendServices/web",
	} {
		from, to, _ := strings.Cut(edge, ">")
		p.see(fmt.Sprintf(`document.querySelector('#edges path[data-from="%s"][data-to="%s"]').getTotalLength() > 10`, global+from, global+to))
	}
	p.see(fmt.Sprintf(`document.querySelector('#edges path[data-from="%s"][data-to="%s"]').getTotalLength() > 10`, global+"backendServices/web", groups+"web"))
	if n := ask[int](p, "document.querySelectorAll('#edges path').length"); n != 5 {
		t.Errorf("%d edges", n)
	}
}

// TestHealthChanges: what is forced, released, attached and detached shows by itself.
func TestHealthChanges(t *testing.T) {
	w := newWorld(t)
	good, _ := w.web()
	p := open(t, w.base+"/")
	p.seeText(node(groups+"web#"+good), good+" healthy")
	rule := fakegce.HealthRule{Group: groups + "web", Endpoint: good, State: "UNHEALTHY"}
	if err := w.server.ForceHealth(rule); err != nil {
		t.Fatal(err)
	}
	p.seeText(node(groups+"web#"+good), good+" unhealthy forced")
	p.seeText("header", "2 unhealthy")
	rule.State = ""
	if err := w.server.ForceHealth(rule); err != nil {
		t.Fatal(err)
	}
	p.seeText(node(groups+"web#"+good), good+" healthy")
	another := backend(t, 200)
	w.attach("web", another)
	p.seeText(node(groups+"web#"+another), another+" healthy")
	w.detach("web", good)
	p.seeText(node(groups+"web#"+good), good+" detached draining")
	p.seeText(node(groups+"web"), "2 endpoints", "1 draining")
	p.seeText("header", "1 draining")
}

// TestHostileText: what a client wrote is shown as it was written, and runs nowhere.
func TestHostileText(t *testing.T) {
	const hostile = `</pre><script>window.ran = 1</script><img src=x onerror="window.ran = 1"><b id="injected">`
	w := newWorld(t)
	w.group("web", hostile)
	w.did(w.api.NetworkEndpointGroups.AttachNetworkEndpoints(project, zone, "web", &compute.NetworkEndpointGroupsAttachEndpointsRequest{
		NetworkEndpoints: []*compute.NetworkEndpoint{{IpAddress: "10.0.0.1", Port: 80, Annotations: map[string]string{"a": hostile}}},
	}).Do())
	w.service("web", hostile, "web")
	p := open(t, w.base+"/#"+`node=<script>window.ran=1</script>&match=`)
	p.seeText("#panel", "<script>window.ran=1</script>")
	for _, id := range []string{groups + "web", global + "backendServices/web", groups + "web#10.0.0.1:80"} {
		p.click(node(id))
		p.see(fmt.Sprintf(`[...document.querySelectorAll("#panel pre")].some((e) => e.textContent.includes(JSON.stringify(%q).slice(1, -1)))`, hostile))
	}
	p.do(chromedp.SendKeys(chromedp.CSS("#match"), `<img src=x onerror="window.ran=1">`))
	p.seeText("#empty", "Nothing matches", `contains <img src=x onerror="window.ran=1">.`)
	if ask[bool](p, `"ran" in window || document.getElementById("injected") !== null || document.querySelector("main img, main script") !== null`) {
		t.Error("text became markup")
	}
}

// TestPolicyHolds: were a text to become markup after all, the browser would refuse it; and
// what it refuses the tests hear of.
func TestPolicyHolds(t *testing.T) {
	p := openTolerant(t, newWorld(t).base+"/")
	p.seeText("header", "Live")
	if list := p.complained(); len(list) > 0 {
		t.Fatalf("complains too early: %q", list)
	}
	for what, attempt := range map[string]string{
		"markup": `document.body.innerHTML = "<p>"`,
		"script": `document.body.append(Object.assign(document.createElement("script"), { src: "data:text/javascript,window.ran=1" }))`,
		"eval":   `window.setTimeout("window.ran=1")`,
	} {
		if got := ask[string](p, `(() => { try { `+attempt+`; return "done"; } catch (err) { return err.name; } })()`); got != "TypeError" && got != "EvalError" {
			t.Errorf("%s: %s", what, got)
		}
	}
	ask[any](p, `document.head.append(Object.assign(document.createElement("style"), { textContent: "body { display: none }" }))`)
	p.see(`getComputedStyle(document.body).display === "flex"`)
	if list := strings.Join(p.complained(), "\n"); !strings.Contains(list, "Content Security Policy") {
		t.Errorf("refused without a word: %q", list)
	}
	if ask[bool](p, `"ran" in window`) {
		t.Error("it ran")
	}
}

// TestSelection: a click shows what belongs together and what the API says; it stays while
// the page refreshes, in sight and in the address, and goes with Escape.
func TestSelection(t *testing.T) {
	w := newWorld(t)
	good, _ := w.web()
	w.group("other", "", addresses(4)...)
	p := open(t, w.base+"/")
	p.seeText(node(groups+"web#"+good), "healthy")
	p.click(node(groups + "web"))
	p.seeText("#panel", "endpoint group", "Led to by web backend service", `"selfLink": "https://www.googleapis.com/compute/v1/`+groups+`web"`, `"size": 2`)
	const lit = `[...document.querySelectorAll("#canvas .card.lit")].map((e) => e.dataset.node).join()`
	want := strings.Join([]string{
		global + "forwardingRules/web", global + "targetHttpProxies/web", global + "urlMaps/web", global + "backendServices/web", groups + "web",
	}, ",")
	if got := ask[string](p, lit); got != want {
		t.Errorf("highlighted\n%s\nwant\n%s", got, want)
	}
	w.attach("web", "10.0.0.9:80")
	p.seeText("#panel", `"size": 3`)
	p.see(lit + ` === "` + want + `"`)
	p.see(fmt.Sprintf(`document.querySelector('%s').getAttribute("aria-pressed") === "true"`, node(groups+"web")))
	p.do(chromedp.Reload())
	p.seeText("#panel", "endpoint group", `"size": 3`)
	p.click(`#panel [data-node="` + global + `backendServices/web"]`)
	p.seeText("#panel", "backend service", "Leads to web endpoint group · us-central1-a", `"protocol": "HTTP"`)
	p.do(chromedp.KeyEvent(kb.Escape))
	p.see(`document.getElementById("panel").hidden && document.querySelector(".lit") === null && location.hash === ""`)
	w.did(w.api.GlobalForwardingRules.Delete(project, "web").Do())
	p.seeText(node(global+"targetHttpProxies/web"), "no forwarding rule leads here")
}

// TestKeyboard: everything is reached without a pointer.
func TestKeyboard(t *testing.T) {
	w := newWorld(t)
	good, bad := w.web()
	p := open(t, w.base+"/")
	p.seeText(node(groups+"web#"+good), "healthy")
	p.seeText(node(groups+"web#"+bad), "unhealthy")
	focused := func(id string) {
		t.Helper()
		p.see(fmt.Sprintf(`document.activeElement.dataset.node === %q`, id))
	}
	p.slash()
	p.see(`document.activeElement.id === "match"`)
	if typed := ask[string](p, `document.activeElement.value`); typed != "" {
		t.Errorf("the key that goes there types %q", typed)
	}
	p.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab))
	focused(global + "forwardingRules/web")
	for _, id := range []string{global + "targetHttpProxies/web", global + "urlMaps/web", global + "backendServices/web", groups + "web", groups + "web#" + bad} {
		p.do(chromedp.KeyEvent(kb.ArrowRight))
		focused(id)
	}
	p.do(chromedp.KeyEvent(kb.ArrowDown))
	focused(groups + "web#" + good)
	p.do(chromedp.KeyEvent(kb.ArrowLeft))
	focused(groups + "web")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.seeText("#panel h2", "web")
	p.do(chromedp.KeyEvent(kb.Escape))
	focused(groups + "web")
}

// TestFind: by name, address or project; what is left is the whole chain of it.
func TestFind(t *testing.T) {
	w := newWorld(t)
	w.web()
	w.group("other", "", "10.1.2.3:80", "10.1.2.4:80")
	w.service("other", "", "other")
	if err := w.server.Seed(fakegce.Seed{Projects: []string{"elsewhere"}}); err != nil {
		t.Fatal(err)
	}
	p := open(t, w.base+"/")
	const cards = `[...document.querySelectorAll("#canvas .card")].map((e) => e.dataset.node).join()`
	p.see(cards + `.split(",").length === 7`)
	p.do(chromedp.SendKeys(chromedp.CSS("#match"), "1.2.4"))
	p.see(cards + fmt.Sprintf(` === %q`, global+"backendServices/other,"+groups+"other"))
	p.see(`[...document.querySelectorAll(".endpoint .address")].map((e) => e.innerText).join() === "10.1.2.4:80"`)
	p.do(chromedp.SendKeys(chromedp.CSS("#match"), " nothing like it"))
	p.seeText("#empty", "Nothing matches")
	ask[any](p, `document.getElementById("match").select()`)
	p.do(chromedp.KeyEvent(kb.Delete))
	p.see(cards + `.split(",").length === 7`)
	ask[any](p, `(() => { const s = document.getElementById("project"); s.value = "elsewhere"; s.dispatchEvent(new Event("change")); })()`)
	p.seeText("#empty", "No load balancers in elsewhere", "CLOUDSDK_CORE_PROJECT=elsewhere")
	p.see(`location.hash === "#project=elsewhere"`)
}

// TestFindNothingTwice: what is typed on after nothing was found is what the page says it
// did not find, though the answer is the same.
func TestFindNothingTwice(t *testing.T) {
	w := newWorld(t)
	w.group("web", "")
	p := open(t, w.base+"/")
	p.seeText("#canvas", "web")
	for _, typed := range []struct{ more, all string }{{"none", "none"}, {"such", "nonesuch"}} {
		p.do(chromedp.SendKeys(chromedp.CSS("#match"), typed.more))
		p.seeText("#empty", "contains "+typed.all+".")
	}
}

// TestNothingYet: an empty emulator says how to fill it, and shows it when that is done.
func TestNothingYet(t *testing.T) {
	w := newWorld(t)
	p := open(t, w.base+"/")
	p.seeText("#empty", "No load balancers yet", "export CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE="+w.base+"/compute/v1/")
	w.group("web", "")
	p.seeText(node(groups+"web"), "no backend service uses it")
	p.see(`document.getElementById("empty").hidden`)
	w.server.Reset()
	p.seeText("#empty", "No load balancers yet")
}

// TestMany: of thousands few are drawn, the rest is counted, and more come at a click.
func TestMany(t *testing.T) {
	w := newWorld(t)
	w.group("big", "", addresses(3000)...)
	for i := range 310 {
		w.group(fmt.Sprintf("g%03d", i), "")
	}
	p := open(t, w.base+"/")
	p.seeText(node(groups+"big"), "3,000 endpoints")
	p.seeText(".more", "and 2,995 more")
	p.seeText(".beyond", "and 11 more: narrow them down by name")
	p.see(`document.querySelectorAll("#canvas .card").length === 300 && document.querySelectorAll(".endpoint").length === 5`)
	p.click(".more")
	p.see(`document.querySelectorAll(".endpoint").length === 50`)
	p.seeText(".more", "2,950 more: find one by its address")
	p.click(".more")
	p.see(`document.querySelectorAll(".endpoint").length === 5`)
	p.do(chromedp.SendKeys(chromedp.CSS("#match"), "g309"))
	p.see(`document.querySelectorAll("#canvas .card").length === 1`)
}
