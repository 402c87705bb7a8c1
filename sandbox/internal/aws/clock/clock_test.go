package clock

import (
	"path/filepath"
	"testing"
	"time"
)

// Time moves forward by what was ordered, stays there after a restart, and a
// time from before a jump is as old as it would be. Kills: jumps that compound
// on the moved time, a stamp from before a jump that moves along, whole seconds
// of signatures taken for a time before, a clock that forgets.
func TestClock(t *testing.T) {
	machine := time.Date(2026, 1, 1, 0, 0, 0, 7e8, time.UTC)
	path := filepath.Join(t.TempDir(), "clock.json")
	open := func() *Clock {
		c, err := Open(path, func() time.Time { return machine })
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open()
	if !c.Now().Equal(machine) || c.Forward(0) == nil || c.Forward(-time.Hour) == nil {
		t.Errorf("it begins at %s, or goes back", c.Now())
	}
	before := machine
	machine = machine.Add(time.Minute)
	for _, by := range []time.Duration{36 * time.Hour, time.Hour} {
		if err := c.Forward(by); err != nil {
			t.Fatal(err)
		}
		if age := c.Now().Sub(c.At(machine.Truncate(time.Second))); age > time.Second {
			t.Errorf("what is signed in the same second is %s old", age)
		}
		machine = machine.Add(time.Minute)
	}
	for _, c := range []*Clock{c, open()} {
		if got := c.Now().Sub(machine); got != 37*time.Hour || c.Ahead() != got {
			t.Errorf("%s ahead, says %s", got, c.Ahead())
		}
		if age := c.Now().Sub(c.At(before)); age != 37*time.Hour+3*time.Minute {
			t.Errorf("a stamp from before the jumps is %s old", age)
		}
		if age := c.Now().Sub(c.At(machine)); age != 0 {
			t.Errorf("a stamp of now is %s old", age)
		}
	}
}
