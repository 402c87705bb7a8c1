package view

import (
	"testing"
	"time"

	"github.com/droverhq/drover/event"
)

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		Count(0):                            "0",
		Count(999):                          "999",
		Count(231004):                       "231,004",
		Count(-1234567):                     "-1,234,567",
		Rate(0.25):                          "0.2/s",
		Rate(1099.6):                        "1,100/s",
		Took(400 * time.Millisecond):        "0.4s",
		Took(245 * time.Second):             "4m05s",
		Took(2 * time.Hour):                 "2h00m",
		Latency(80 * time.Microsecond):      "0.08ms",
		Latency(6120 * time.Microsecond):    "6.1ms",
		Latency(231 * time.Millisecond):     "231ms",
		Latency(1250 * time.Millisecond):    "1.25s",
		Spark([]float64{0, 1, 8}, 1, ASCII): " :%",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What happened before the curtain rose is told first, and nothing is lost.
func TestCurtain(t *testing.T) {
	var c Curtain
	log := event.NewLog(time.Now, c.Read)
	log.Emit(event.RunStarted{})
	log.Emit(event.Planned{})
	var seen []uint64
	c.Raise(func(e event.Event) { seen = append(seen, e.Seq) })
	log.Emit(event.RunFinished{})
	if len(seen) != 3 || seen[0] != 1 || seen[2] != 3 {
		t.Errorf("saw %v, want 1, 2, 3", seen)
	}
}
