package spec

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/droverhq/drover/internal/graph"
)

// defaultRate is a guard's in requests per second: enough to notice an outage
// of 100 ms, too little to be a load.
const defaultRate = 50

// maxRate keeps a slip of the pen from becoming an attack.
const maxRate = 10_000

func (l *loader) guards(f field) {
	const example = `guard: [{url: "http://${workloads.web.services.web.hostname}/", rate: 200/s}]`
	for _, item := range f.items(example) {
		o, ok := item.object(example, "url", "host", "rate", "maxErrors", "p99", "expect")
		if !ok {
			continue
		}
		l.spec.Guards = append(l.spec.Guards, graph.Guard{
			Target: graph.Target{
				URL:  o.need("url", `add url: "http://${workloads.web.services.web.hostname}/"`).url(),
				Host: o.get("host").host(),
			},
			Rate:      o.get("rate").rate(),
			MaxErrors: o.get("maxErrors").count(),
			P99:       o.get("p99").duration(),
			Expect:    o.get("expect").pattern(),
			At:        item.at,
		})
	}
}

// url checks what can be seen before references are filled in.
func (f field) url() any {
	url := f.open(`url: "http://example.com/"`)
	start := fmt.Sprint(url)
	if start != "" && !strings.HasPrefix(start, "${") && !strings.HasPrefix(start, "http://") && !strings.HasPrefix(start, "https://") {
		f.fail("start it with http:// or https://", "%q is not a URL to probe", start)
	}
	return url
}

func (f field) host() any {
	if !f.given() {
		return ""
	}
	host := f.open("host: apps.example.com")
	if name, ok := host.(string); ok && name != "" && !hostName.MatchString(name) {
		f.fail("write it as in apps.example.com", "%q is not a host name", name)
	}
	return host
}

// rate reads "200/s" or "600/m" as requests per second.
func (f field) rate() float64 {
	if !f.given() {
		return defaultRate
	}
	const fix = "write it as in 200/s or 600/m"
	text, ok := f.word("rate: 200/s")
	if !ok {
		return 0
	}
	number, unit, _ := strings.Cut(text, "/")
	per := map[string]float64{"s": 1, "m": 60}[unit]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || per == 0 || !(n > 0) {
		f.fail(fix, "%q is not a rate", text)
		return 0
	}
	if n/per > maxRate {
		f.fail("take "+strconv.Itoa(maxRate)+"/s at most", "%q is more than a guard sends", text)
	}
	return n / per
}

func (f field) count() int {
	if !f.given() {
		return 0
	}
	n, ok := f.integer()
	if ok && n < 0 {
		f.fail("write 0 or more", "%d cannot be counted", n)
	}
	return n
}

func (f field) duration() string {
	if !f.given() {
		return ""
	}
	text, ok := f.word("p99: 500ms")
	if !ok {
		return ""
	}
	if d, err := time.ParseDuration(text); err != nil || d <= 0 {
		f.fail("write it as in 500ms or 2s", "%q is not a duration", text)
	}
	return text
}

func (f field) pattern() string {
	if !f.given() {
		return ""
	}
	text, ok := f.word("expect: Hostname")
	if !ok {
		return ""
	}
	if _, err := regexp.Compile(text); err != nil {
		f.fail("correct it; the syntax is that of golang.org/s/re2syntax", "%v", err)
	}
	return text
}
