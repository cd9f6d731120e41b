package e2e_test

import (
	"context"
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// artifact saves a file about the test where go test -artifacts keeps it.
func (p *browserPage) artifact(name string, data []byte) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.t.ArtifactDir(), name), data, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// inspect checks what holds for every page, in both colour schemes and at the
// width of a phone and of a desk, and takes a picture of each.
func (p *browserPage) inspect(name string) {
	p.t.Helper()
	for _, fault := range evaluate[[]string](p, pageFaults) {
		p.t.Errorf("%s: %s", name, fault)
	}
	for _, scheme := range []string{"light", "dark"} {
		callPage(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		for _, fault := range evaluate[[]string](p, contrastFaults) {
			p.t.Errorf("%s, %s: %s", name, scheme, fault)
		}
		p.picture(name + "-" + scheme)
	}
	callPage(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
	p.do(chromedp.EmulateViewport(deskWidth, 900))
	for _, fault := range evaluate[[]string](p, pageFaults) {
		p.t.Errorf("%s, at a desk: %s", name, fault)
	}
	p.picture(name + "-desk")
	p.do(chromedp.EmulateViewport(phoneWidth, 844, chromedp.EmulateScale(2)))
}

// picture keeps a picture of the whole page.
func (p *browserPage) picture(name string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserPatience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Fatal(err)
	}
	p.artifact(name+".png", picture)
}

// pageFaults lists what is wrong with the structure of a page.
const pageFaults = `(() => {
	const faults = [];
	if (document.documentElement.lang !== "ja") faults.push("the page is not marked as Japanese");
	if (!document.title) faults.push("the page has no title");
	if (document.querySelectorAll("main").length !== 1) faults.push("not exactly one main");
	if (document.querySelectorAll("h1").length !== 1) faults.push("not exactly one h1");
	if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the screen: " + document.documentElement.scrollWidth);
	const ids = new Set();
	for (const e of document.querySelectorAll("[id]")) {
		if (ids.has(e.id)) faults.push("two elements have the id " + e.id);
		ids.add(e.id);
	}
	for (const e of document.querySelectorAll("input:not([type=hidden]), textarea, select")) {
		if (!e.labels || e.labels.length === 0) faults.push("no label for " + e.name);
	}
	for (const e of document.querySelectorAll("button, a")) {
		if (!e.textContent.trim()) faults.push("no text on " + e.id);
		const box = e.getBoundingClientRect();
		if (box.height < 24 || box.width < 24) faults.push("too small to touch: " + e.id);
	}
	for (const e of document.querySelectorAll("[style], script:not([src]), style")) faults.push("inline style or script: " + e.tagName);
	for (const e of document.querySelectorAll("main *")) {
		const own = [...e.childNodes].filter(n => n.nodeType === Node.TEXT_NODE).map(n => n.data).join("");
		if (e.closest("[lang=en], pre, .code, .print, dd, .persons") === null && /[A-Za-z]{3,} [A-Za-z]{2,} /.test(own)) faults.push("English that is not marked: " + own.trim());
	}
	return faults;
})()`

// contrastFaults lists text that is hard to read (WCAG 2.2, 1.4.3).
const contrastFaults = `(() => {
	const parse = c => { const m = c.match(/[\d.]+/g).map(Number); return { r: m[0], g: m[1], b: m[2], a: m.length > 3 ? m[3] : 1 }; };
	const over = (f, b) => ({ r: f.r * f.a + b.r * (1 - f.a), g: f.g * f.a + b.g * (1 - f.a), b: f.b * f.a + b.b * (1 - f.a), a: 1 });
	const light = c => { const l = v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
		return 0.2126 * l(c.r) + 0.7152 * l(c.g) + 0.0722 * l(c.b); };
	const canvas = parse(getComputedStyle(document.body).backgroundColor);
	const faults = [];
	if (canvas.a !== 1) return ["the page has no background"];
	for (const e of document.querySelectorAll("main *")) {
		if (![...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim())) continue;
		const layers = [];
		let opacity = 1;
		for (let n = e; n; n = n.parentElement) {
			const style = getComputedStyle(n);
			layers.unshift(parse(style.backgroundColor));
			opacity *= Number(style.opacity);
		}
		const back = layers.reduce((below, layer) => over(layer, below), canvas);
		const ink = parse(getComputedStyle(e).color);
		ink.a *= opacity;
		const [a, b] = [light(over(ink, back)), light(back)];
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) faults.push("contrast " + ratio.toFixed(2) + ": " + e.textContent.trim().slice(0, 40));
	}
	return faults;
})()`
