package engine

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/internal/fieldtest"
)

// stands are the fields that the way back has as the change had them, and why. A
// choice that could refuse a plan is none of them: Engine.returning lifts it.
var stands = map[string]string{
	"Providers": "a part", "Lookup": "a part", "Mover": "a part", "Guard": "a part", "Events": "a part",
	"Parallel": "it limits nothing but the pace", "Diff": "it only tells more",
	"AllowDelete":       "it allows, and refuses nothing",
	"NoRead":            "it refuses nothing",
	"ForgetUnreachable": "it is read by PlanDestroy alone",
}

// No choice that was made about a change applies to the way back, but those that can
// stop nothing.
func TestNothingLimitsTheWayBack(t *testing.T) {
	for f := range reflect.TypeFor[Engine]().Fields() {
		if stands[f.Name] != "" {
			continue
		}
		var free, chosen Engine
		fieldtest.Fill(t, f.Name, reflect.ValueOf(&chosen).Elem().FieldByIndex(f.Index))
		if !reflect.DeepEqual(free.returning(), chosen.returning()) {
			t.Errorf("the choice %s of a change goes for its way back: lift it in Engine.returning, or say here why it may stand", f.Name)
		}
	}
}

// The deadline of a change is not that of its way back; who interrupts it interrupts
// the way back, too.
func TestNoDeadlineOfTheWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		back, end := endless(late)
		time.Sleep(time.Hour)
		if late.Err() == nil || back.Err() != nil {
			t.Errorf("the change: %v, its way back: %v", late.Err(), back.Err())
		}
		end()

		cut, interrupt := context.WithCancelCause(t.Context())
		back, end = endless(cut)
		defer end()
		why := errors.New("interrupted (Ctrl-C)")
		interrupt(why)
		synctest.Wait()
		if !errors.Is(context.Cause(back), why) {
			t.Errorf("interrupted: %v", context.Cause(back))
		}
	})
}
