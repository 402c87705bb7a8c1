package region

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Transitions that a hook may stand in.
const (
	Launching   = "autoscaling:EC2_INSTANCE_LAUNCHING"
	Terminating = "autoscaling:EC2_INSTANCE_TERMINATING"
)

// Lifecycle states in which a hook holds an instance.
const (
	PendingWait     = "Pending:Wait"
	TerminatingWait = "Terminating:Wait"
)

// Retained is the state of an instance whose end was abandoned in a group that
// retains such: it runs on beside the group, until somebody ends it by name.
const Retained = "Terminating:Retained"

// Results of a hook.
const (
	Continue = "CONTINUE"
	Abandon  = "ABANDON"
)

// Hook holds the instances of a group in a transition until somebody says that
// they may go on, or its time is over.
type Hook struct {
	Name       string `json:"LifecycleHookName"`
	Transition string `json:"LifecycleTransition"`
	Result     string `json:"DefaultResult"`    // when its time is over: CONTINUE or ABANDON
	Heartbeat  int    `json:"HeartbeatTimeout"` // seconds
}

// LifecyclePolicy says what becomes of an instance whose termination hook is
// abandoned: retain or terminate.
type LifecyclePolicy struct {
	RetentionTriggers struct {
		TerminateHookAbandon string `json:",omitempty"`
	}
}

// Retains tells whether instances outlive an abandoned termination hook.
func (g *Group) Retains() bool {
	return g.LifecyclePolicy != nil && g.LifecyclePolicy.RetentionTriggers.TerminateHookAbandon == "retain"
}

// Limits of a hook's time, which is not scaled: it is the user's own.
const (
	HeartbeatDefault = 3600 // seconds
	heartbeatLeast   = 30
	heartbeatMost    = 7200
)

// HookAt is the hook of a transition.
func (g *Group) HookAt(transition string) (Hook, bool) {
	i := slices.IndexFunc(g.Hooks, func(h Hook) bool { return h.Transition == transition })
	if i < 0 {
		return Hook{}, false
	}
	return g.Hooks[i], true
}

// SetHook adds a hook, or changes the one of its name.
func (g *Group) SetHook(h Hook) error {
	h.Result = cmp.Or(h.Result, Abandon)
	h.Heartbeat = cmp.Or(h.Heartbeat, HeartbeatDefault)
	switch {
	case h.Transition != Launching && h.Transition != Terminating:
		return Errorf(Invalid, "ValidationError", "Invalid lifecycle transition: %s", h.Transition)
	case h.Result != Continue && h.Result != Abandon:
		return Errorf(Invalid, "ValidationError", "DefaultResult must be CONTINUE or ABANDON")
	case h.Heartbeat < heartbeatLeast || h.Heartbeat > heartbeatMost:
		return Errorf(Invalid, "ValidationError", "HeartbeatTimeout must be between 30 and 7200 seconds")
	}
	g.Hooks = append(slices.DeleteFunc(g.Hooks, func(o Hook) bool { return o.Name == h.Name }), h)
	return nil
}

// HookOf is the hook that holds an instance, if one does.
func (g *Group) HookOf(i *Instance) (Hook, bool) {
	switch i.Lifecycle {
	case PendingWait:
		return g.HookAt(Launching)
	case TerminatingWait:
		return g.HookAt(Terminating)
	}
	return Hook{}, false
}

// Overdue tells whether the time of the hook that holds an instance is over, or
// the hook itself is gone.
func (g *Group) Overdue(i *Instance, now time.Time) bool {
	if i.Lifecycle != PendingWait && i.Lifecycle != TerminatingWait {
		return false
	}
	h, ok := g.HookOf(i)
	return !ok || !now.Before(i.Waits.Add(time.Duration(h.Heartbeat)*time.Second))
}

// Complete lets an instance that a hook holds go on. After an abandoned launch it
// ends; after an abandoned end too, if the group does not retain it.
func (s *State) Complete(g *Group, i *Instance, result string, now time.Time) {
	switch {
	case i.Lifecycle == TerminatingWait && result == Abandon && g.Retains():
		i.Lifecycle = Retained
		g.cancel(i.ID, now)
	case i.Lifecycle == TerminatingWait, i.Lifecycle == PendingWait && result == Abandon:
		s.Terminate(i, "User initiated")
		i.Retired = true
	case i.Lifecycle == PendingWait:
		g.Serve(i, now)
	}
	i.Waits = time.Time{}
}

// Serve brings an instance into service.
func (g *Group) Serve(i *Instance, now time.Time) {
	i.Lifecycle, i.Served = "InService", now
	if g.IsSuspended("AddToLoadBalancer") {
		i.Apart = g.Sources()
	}
	g.Finish(i.ID, now)
}

// EndMember begins the end of an instance of a group: package autoscaling takes it
// out of what the group has registered it with, and lets it go once that is drained.
// A group that is deleted by force waits for nobody.
func (s *State) EndMember(g *Group, i *Instance, now time.Time, why string) Activity {
	if len(i.Joined) > 0 && i.State == Running && !g.Forced {
		i.Lifecycle = "Terminating"
	} else {
		s.LetGo(g, i, now)
	}
	i.Retired = true
	a := Activity{ID: UUID(), Instance: i.ID, Description: "Terminating EC2 instance: " + i.ID, Status: "InProgress",
		Start: now, Cause: fmt.Sprintf("At %s %s.", now.UTC().Format("2006-01-02T15:04:05.000Z"), why)}
	g.Record(a)
	return a
}

// Undrained: its end has begun, and waits for load balancers.
func (i *Instance) Undrained() bool { return i.Lifecycle == "Terminating" && !i.Ending() }

// LetGo ends an instance that no load balancer of its group has any more, as soon as
// the group's hook lets it.
func (s *State) LetGo(g *Group, i *Instance, now time.Time) {
	if _, held := g.HookAt(Terminating); held && i.State == Running && !g.Forced {
		i.Lifecycle, i.Waits = TerminatingWait, now
	} else {
		s.Terminate(i, "User initiated")
	}
}
