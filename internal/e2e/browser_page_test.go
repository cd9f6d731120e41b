package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The widths that the pages must fit, in CSS pixels.
const (
	phoneWidth = 390
	deskWidth  = 1280
)

// browserPatience bounds every wait for a page.
const browserPatience = 20 * time.Second

// startChromium starts the browser that all pages of a test live in. Of
// certificates that no public root stands behind, it takes those of the world
// alone.
func startChromium(t *testing.T, w *browserWorld) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is not installed; run make deps")
	}
	var pins []string
	for _, certificate := range w.servers {
		sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
		pins = append(pins, base64.StdEncoding.EncodeToString(sum[:]))
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors-spki-list", strings.Join(pins, ",")),
		chromedp.WSURLReadTimeout(time.Minute),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	return ctx
}

// browserPage is a tab with cookies of its own, and all that the browser
// complained about in it.
type browserPage struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

func newBrowserPage(t *testing.T, browser context.Context) *browserPage {
	t.Helper()
	p := &browserPage{t: t}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.listen))
	t.Cleanup(cancel)
	p.ctx = ctx
	p.do(chromedp.EmulateViewport(phoneWidth, 844, chromedp.EmulateScale(2)))
	callPage(p, audits.Enable, cdp.Empty{})
	callPage(p, cdplog.Enable, cdp.Empty{})
	callPage(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	t.Cleanup(func() {
		for _, complaint := range p.takeComplaints() {
			t.Errorf("the browser complains: %s", complaint)
		}
	})
	return p
}

func (p *browserPage) listen(event any) {
	var complaint string
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError || e.Entry.Level == cdplog.EntryLevelWarning {
			complaint = fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		complaint = "console." + string(e.Type)
	case *runtime.EventExceptionThrown:
		complaint = "exception: " + e.ExceptionDetails.Text
	case *audits.EventIssueAdded:
		if e.Issue.Code == audits.InspectorIssueCodePerformanceIssue {
			return // what the test itself asks the page
		}
		details, _ := json.Marshal(e.Issue.Details)
		complaint = fmt.Sprintf("%s: %s", e.Issue.Code, details)
	}
	if complaint == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaints = append(p.complaints, complaint)
}

func (p *browserPage) takeComplaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.complaints
	p.complaints = nil
	return taken
}

// expectStatus waits for the browser to complain of the HTTP status of a page,
// and forgives it.
func (p *browserPage) expectStatus(status int) {
	p.t.Helper()
	p.expect(fmt.Sprintf("status of %d ", status))
}

// expect waits for the browser to complain of something, and forgives it.
func (p *browserPage) expect(about string) {
	p.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
		if p.forgive(about) > 0 {
			return
		}
	}
	p.t.Errorf("the browser does not complain of %q", about)
}

// forgive forgets complaints that contain the text and returns how many.
func (p *browserPage) forgive(about string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.complaints)
	p.complaints = slices.DeleteFunc(p.complaints, func(c string) bool { return strings.Contains(c, about) })
	return before - len(p.complaints)
}

func (p *browserPage) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserPatience)
	defer cancel()
	if len(steps) > 0 && chromedp.FromContext(p.ctx).Target == nil {
		// The first run decides how long the tab lives.
		if err := chromedp.Do(p.ctx); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%v\n%s", err, p.describe())
	}
}

func callPage[P, R any](p *browserPage, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	result, err := chromedp.Call(p.ctx, command, params)
	if err != nil {
		p.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// evaluate returns the value of a JavaScript expression.
func evaluate[T any](p *browserPage, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserPatience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", expression, err, p.describe())
	}
	return value
}

// until waits, through navigations, for an expression to become true.
func (p *browserPage) until(expression string) {
	p.t.Helper()
	deadline := time.Now().Add(browserPatience)
	for time.Now().Before(deadline) {
		ctx, cancel := context.WithTimeout(p.ctx, browserPatience)
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		cancel()
		if err == nil && ok {
			return
		}
		time.Sleep(30 * time.Millisecond)
	}
	p.t.Fatalf("never true: %s\n%s", expression, p.describe())
}

// describe says where the tab is.
func (p *browserPage) describe() string {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.origin + location.pathname + "\n" + document.body.innerText`))
	if err != nil {
		return "the tab does not answer: " + err.Error()
	}
	return text
}

func (p *browserPage) open(address string) { p.t.Helper(); p.do(chromedp.Navigate(address)) }

// waitFor waits for a fully loaded page with an element of the id.
func (p *browserPage) waitFor(id string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.readyState === "complete" && document.getElementById(%q) !== null`, id))
}

func (p *browserPage) click(id string) { p.t.Helper(); p.do(chromedp.Click(chromedp.CSS("#" + id))) }

func (p *browserPage) has(id string) bool {
	p.t.Helper()
	return evaluate[bool](p, fmt.Sprintf(`document.getElementById(%q) !== null`, id))
}

func (p *browserPage) text(id string) string {
	p.t.Helper()
	return strings.TrimSpace(evaluate[string](p, fmt.Sprintf(`document.getElementById(%q)?.textContent ?? ""`, id)))
}

func (p *browserPage) location() string { p.t.Helper(); return evaluate[string](p, `location.href`) }

// press moves the focus by Tab until it is on the element of the id, and then
// presses Enter. Nothing but the keyboard is used, and on the way the focus
// must be seen.
func (p *browserPage) press(id string) {
	p.t.Helper()
	for range 40 {
		p.do(chromedp.KeyEvent(kb.Tab))
		at := evaluate[string](p, `document.activeElement.id`)
		if evaluate[bool](p, `document.activeElement === document.body`) {
			continue
		}
		if !evaluate[bool](p, `(() => { const s = getComputedStyle(document.activeElement);
			return document.activeElement.matches(":focus-visible") && s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 })()`) {
			p.t.Errorf("the focus on %q can't be seen", at)
		}
		if at == id {
			p.do(chromedp.KeyEvent(kb.Enter))
			return
		}
	}
	p.t.Fatalf("the keyboard does not reach %q\n%s", id, p.describe())
}

// cookies returns the cookies of the page's origin.
func (p *browserPage) cookies() []*network.Cookie {
	p.t.Helper()
	return callPage(p, network.GetCookies, network.GetCookiesParams{}).Cookies
}

// onlyCookie returns the one cookie, having checked how it is kept.
func (p *browserPage) onlyCookie() *network.Cookie {
	p.t.Helper()
	cookies := p.cookies()
	if len(cookies) != 1 {
		p.t.Fatalf("%d cookies, want 1", len(cookies))
	}
	c := cookies[0]
	if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HTTPOnly || c.Path != "/" || c.SameSite != network.CookieSameSiteLax {
		p.t.Errorf("cookie %s: secure %v, HttpOnly %v, path %s, SameSite %s", c.Name, c.Secure, c.HTTPOnly, c.Path, c.SameSite)
	}
	if evaluate[string](p, `document.cookie`) != "" {
		p.t.Error("scripts can read the cookie")
	}
	return c
}
