package event_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/droverhq/drover/event"
)

// A run tells facts; a log numbers them and hands them to whoever reads: a screen, a
// file, a test.
func ExampleLog() {
	noon := func() time.Time { return time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC) }
	log := event.NewLog(noon, func(e event.Event) {
		line, _ := json.Marshal(e)
		fmt.Println(string(line))
	})
	log.Emit(event.Finding{Severity: event.Warning, Object: "deployment/shop/web", Effect: "has one replica", Fix: "give it two"})
	// Output:
	// {"seq":1,"at":"2026-11-26T12:00:00Z","kind":"finding","fact":{"severity":"warning","object":"deployment/shop/web","effect":"has one replica","fix":"give it two"}}
}
