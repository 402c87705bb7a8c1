package story

import (
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/plan"
)

// teller stamps facts one second apart.
func teller(s *Story) func(...event.Fact) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	log := event.NewLog(func() time.Time { return at }, s.Add)
	return func(facts ...event.Fact) {
		for _, f := range facts {
			at = at.Add(time.Second)
			log.Emit(f)
		}
	}
}

func group(id int, typ string) plan.Step {
	return plan.Step{
		ID: id, Op: plan.Create, URN: plan.NewURN("dev", "p", typ, "web"), Gen: 2,
		Name: "web-7c1e04b", Component: "nodegroup/web",
	}
}

// A line runs from the start of its first step to the end of its last, waits
// for what any of its steps waits for, and fails with any of them.
func TestLine(t *testing.T) {
	var s Story
	tell := teller(&s)
	tell(
		event.RunStarted{Command: "up"},
		event.Planned{Plan: plan.Plan{Steps: []plan.Step{group(1, "AWS::IAM::Role"), group(2, "AWS::AutoScaling::AutoScalingGroup")}}},
	)
	check := func(state State, done int, waiting string) {
		t.Helper()
		if l := s.Lines[0]; len(s.Lines) != 1 || l.State != state || l.Done != done || l.Waiting != waiting {
			t.Fatalf("%+v; want %s, %d done, waiting %q", s.Lines, state, done, waiting)
		}
	}
	check(Waiting, 0, "")
	tell(event.StepStarted{Step: 1}, event.Progress{Step: 1, Waiting: "IAM"})
	check(Running, 0, "IAM")
	tell(event.StepStarted{Step: 2}, event.Progress{Step: 2, Waiting: "2 of 5 nodes Ready"})
	check(Running, 0, "2 of 5 nodes Ready")
	tell(event.StepFinished{Step: 2})
	check(Running, 1, "IAM")
	tell(event.StepFinished{Step: 1, Error: "boom"})
	check(Failed, 1, "")
}

// An unchanged wait keeps the time when it began: "for 40 s already".
func TestWaitKeepsItsBeginning(t *testing.T) {
	var s Story
	tell := teller(&s)
	tell(event.StepStarted{Step: 1, Op: plan.Create, URN: "urn:drover:dev:p:v1/Service:apps/nginx", Name: "apps/nginx"})
	tell(event.Progress{Step: 1, Waiting: "address"})
	since := s.Lines[0].Since
	tell(event.Progress{Step: 1, Waiting: "address"})
	if !s.Lines[0].Since.Equal(since) {
		t.Errorf("since %v, want %v", s.Lines[0].Since, since)
	}
	tell(event.Progress{Step: 1, Waiting: "address, 3s of 1m05s"}, event.Progress{Step: 1, Waiting: "address, 4s of 1m05s"})
	if began := s.Lines[0].Since; !began.After(since) || s.Lines[0].Waiting != "address, 4s of 1m05s" {
		t.Errorf("since %v, %q", began, s.Lines[0].Waiting)
	} else if tell(event.Progress{Step: 1, Waiting: "address, 900ms of 1m05s"}); !s.Lines[0].Since.Equal(began) {
		t.Error("a wait whose clock moves began anew")
	}
	tell(event.Progress{Step: 1, Waiting: "DNS"})
	if s.Lines[0].Since.Equal(since) {
		t.Error("a new wait must begin anew")
	}
}

// What is a clock in a text, and what is not.
func TestUntimed(t *testing.T) {
	for text, want := range map[string]string{
		"3 of 5 nodes Ready": "3 of 5 nodes Ready", "m5.large is full": "m5.large is full", "t3.2xlarge": "t3.2xlarge",
		"12s of 1m05s": " of ", "0.3 s left": " left", "250ms": "",
	} {
		if got := Untimed(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// The wait for an answer is no part of a run's time.
func TestAnswerPutsTheStartOff(t *testing.T) {
	var s Story
	teller(&s)(event.RunStarted{Command: "up"})
	began := s.Started
	s.Add(event.Event{Fact: event.Planned{Waited: time.Hour}})
	if got := s.Started.Sub(began); got != time.Hour {
		t.Errorf("put off by %s", got)
	}
}

// The second run of a log has its own plan; nodes keep their history.
func TestSecondRun(t *testing.T) {
	var s Story
	tell := teller(&s)
	tell(
		event.RunStarted{Command: "up"}, event.StepStarted{Step: 1, Op: plan.HandOver, URN: "urn:drover:d:p:T:web", Name: "web-1234567"},
		event.PhaseChanged{Step: 1, Group: "web-1234567", To: "inspect"}, event.NodeChanged{Node: "n1", Change: "cordoned"},
		event.GuardBreached{Reason: "x"}, event.RunFinished{Error: "x"},
		event.RunStarted{Command: "up"}, event.NodeChanged{Node: "n1", Change: "uncordoned"},
	)
	if len(s.Lines) != 0 || len(s.Moves) != 0 || s.Breach != nil || s.Finished != nil {
		t.Errorf("left from the first run: %+v", s)
	}
	if len(s.Nodes) != 1 || len(s.Nodes[0].Changes) != 2 {
		t.Errorf("nodes %+v, want one with two changes", s.Nodes)
	}
}
