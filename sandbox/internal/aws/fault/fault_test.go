package fault

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A fault hits what it names and nothing else. Kills: a prefix taken for a
// match, a pattern that needs its star, a resource looked for in the name.
func TestMatches(t *testing.T) {
	call := Call{Service: "autoscaling", Operation: "TerminateInstanceInAutoScalingGroup", Text: "InstanceId=i-0abc&Action=…"}
	for _, c := range []struct {
		name  string
		fault Fault
		want  bool
	}{
		{"everything", Fault{}, true},
		{"service", Fault{Service: "autoscaling"}, true},
		{"another service", Fault{Service: "ec2"}, false},
		{"operation", Fault{Operation: "TerminateInstanceInAutoScalingGroup"}, true},
		{"the beginning of an operation", Fault{Operation: "Terminate"}, false},
		{"a pattern", Fault{Operation: "Terminate*"}, true},
		{"stars all over", Fault{Operation: "*Instance*Group*"}, true},
		{"another pattern", Fault{Operation: "Describe*"}, false},
		{"a star and another end", Fault{Operation: "Terminate*Instances"}, false},
		{"resource", Fault{Resource: "i-0abc"}, true},
		{"another resource", Fault{Resource: "i-0abd"}, false},
		{"one of several is wrong", Fault{Service: "autoscaling", Operation: "Terminate*", Resource: "i-0abd"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.fault.matches(call); got != c.want {
				t.Errorf("%+v: %t", c.fault, got)
			}
		})
	}
}

func TestRefusesOrdersWithoutMeaning(t *testing.T) {
	for name, f := range map[string]Fault{
		"kind":                {Kind: "burn"},
		"no kind":             {},
		"count":               {Kind: Hang, Count: -1},
		"code of a hang":      {Kind: Hang, Code: "Throttling"},
		"status of no error":  {Kind: Fail, Status: 200},
		"slow without delay":  {Kind: Slow},
		"delay of a throttle": {Kind: Throttle, Delay: Duration(time.Second)},
		"delay into the past": {Kind: Slow, Delay: -1},
	} {
		if _, err := NewSet(time.Now).Add(f); err == nil {
			t.Errorf("%s: %+v was taken", name, f)
		}
	}
}

// play sends a request through a set; answered tells what the service did,
// said what the client got.
func play(s *Set, c Call) (served bool, said string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	defer func() {
		if recover() != nil {
			said = "cut"
		}
	}()
	s.Serve(w, r, c, func(f Fault) { _, _ = w.WriteString("refused: " + string(f.Kind)) },
		func(w http.ResponseWriter) { served = true; _, _ = w.Write([]byte("done")) })
	return served, w.Body.String()
}

// Each kind does what it says, to as many requests as were ordered, and for as
// long. Kills: an order that outlives its count or its time, an answer that is
// lost without the deed, a deed that is done without an answer being due.
func TestKinds(t *testing.T) {
	for _, c := range []struct {
		fault  Fault
		served bool
		said   string
		took   time.Duration
	}{
		{Fault{Kind: Throttle}, false, "refused: throttle", 0},
		{Fault{Kind: Fail, Code: "Nope"}, false, "refused: fail", 0},
		{Fault{Kind: Expire}, false, "refused: expire", 0},
		{Fault{Kind: Lose}, true, "cut", 0},
		{Fault{Kind: Slow, Delay: Duration(time.Minute)}, true, "done", time.Minute},
		{Fault{Kind: Hang, Until: time.Unix(946684800, 0).Add(time.Hour)}, false, "cut", time.Hour}, // a bubble begins at this time
	} {
		t.Run(string(c.fault.Kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewSet(time.Now)
				c.fault.Count = 1
				if _, err := s.Add(c.fault); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				served, said := play(s, Call{})
				if served != c.served || said != c.said || time.Since(begin) != c.took {
					t.Errorf("served %t, said %q after %s", served, said, time.Since(begin))
				}
				if served, said := play(s, Call{}); !served || said != "done" {
					t.Errorf("the second request: served %t, said %q", served, said)
				}
				if list := s.List(); len(list) != 1 || list[0].Hits != 1 || !list[0].Over(time.Now()) {
					t.Errorf("listed as %+v", list)
				}
			})
		})
	}
}

// What hangs goes on when its fault is taken away.
func TestRemoveFreesWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSet(time.Now)
		f, err := s.Add(Fault{Kind: Hang})
		if err != nil {
			t.Fatal(err)
		}
		said := make(chan string, 1)
		go func() {
			_, text := play(s, Call{})
			said <- text
		}()
		synctest.Wait()
		if len(said) != 0 {
			t.Fatal("it does not hang")
		}
		if !s.Remove(f.ID) || s.Remove(f.ID) {
			t.Error("an order is taken away once")
		}
		if got := <-said; got != "cut" {
			t.Errorf("said %q", got)
		}
	})
}

func TestDurationReadsWhatItWrites(t *testing.T) {
	text, err := Duration(90 * time.Second).MarshalText()
	var back Duration
	if err != nil || back.UnmarshalText(text) != nil || back != Duration(90*time.Second) || !strings.Contains(string(text), "1m30s") {
		t.Errorf("%s became %s, %v", text, time.Duration(back), err)
	}
}
