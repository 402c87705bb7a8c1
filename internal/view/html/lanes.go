package html

import (
	"fmt"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/story"
	"github.com/droverhq/drover/internal/verdict"
)

// shownLanes bounds a group; a move of hundreds of pods is read in the tables.
const shownLanes = 40

// kindred are the lanes of one kind of object, and what its words look like.
type kindred struct {
	title string
	lanes []verdict.Lane
	look  func(what string) string // the class of a part
}

func kinds(s verdict.Story) []kindred {
	return []kindred{
		{"Workloads", s.Workloads, workloadLook},
		{"Nodes", s.Nodes, nodeLook},
		{"Pods", s.Pods, podLook},
		{"Load balancer targets", s.Targets, targetLook},
	}
}

// lanes draws one lane an object: from each change to the next, the state it
// then was in. It returns where the next group begins.
func lanes(k kindred, a axis, end time.Time, y px) (group, px) {
	g := group{Title: k.title, TextY: y + 4}
	all := k.lanes
	if len(all) > shownLanes {
		g.Title = fmt.Sprintf("%s (the first %d of %d)", k.title, shownLanes, len(all))
		all = all[:shownLanes]
	}
	y += 14
	for _, l := range all {
		g.Lanes = append(g.Lanes, lane{
			Name: fit(shortName(l.Name), left-12), Full: strings.TrimSpace(l.Name + " " + l.On),
			Y: y, TextY: y + laneTall - 6, Parts: parts(l, k.look, a, end),
		})
		y += laneTall
	}
	return g, y + 18
}

// shortName leaves out a node's domain and a pod's namespace.
func shortName(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	if host, _, ok := strings.Cut(name, "."); ok {
		return host
	}
	return name
}

// minWidth makes a change visible however short the state lasted.
const minWidth = 3

func parts(l verdict.Lane, look func(string) string, a axis, end time.Time) []part {
	var all []part
	for i, c := range l.Changes {
		to := end
		if i+1 < len(l.Changes) {
			to = l.Changes[i+1].At
		}
		x := a.x(c.At)
		width := max(a.x(to)-x, minWidth)
		class := look(c.What)
		if class == over { // nothing comes after it
			width = minWidth
		}
		all = append(all, part{X: x, Width: width, Class: class, Text: fit(c.What, width-6), Tip: tip(l, c, a)})
	}
	return all
}

func tip(l verdict.Lane, c story.Change, a axis) string {
	text := fmt.Sprintf("%s %s at %s", l.Name, c.What, offset(c.At.Sub(a.from)))
	if l.On != "" {
		text += " on " + l.On
	}
	if c.Detail != "" {
		text += ": " + c.Detail
	}
	return text
}

// The classes of a part, which are its colours.
const (
	serves  = "serves"
	leaving = "leaving" // on its way out
	drains  = "drains"  // no longer asked
	over    = "over"
	stays   = "stays" // parked
	other   = "other" // a word of a later version, too
)

func workloadLook(what string) string {
	switch event.WorkloadState(what) {
	case event.WorkloadMoved:
		return serves
	case event.WorkloadSurging, event.WorkloadInOrder, event.WorkloadAfterJob, event.WorkloadByOperator:
		return leaving
	case event.WorkloadGap:
		return drains
	case event.WorkloadParked:
		return stays
	case event.WorkloadWaiting:
	}
	return other
}

func nodeLook(what string) string {
	switch event.NodeChange(what) {
	case event.NodeUncordoned, event.NodeIncluded:
		return serves
	case event.NodeCordoned:
		return leaving
	case event.NodeExcluded:
		return drains
	case event.NodeRemoved:
		return over
	}
	return other
}

func podLook(what string) string {
	switch event.PodChange(what) {
	case event.PodReplaced, event.PodGivenBack:
		return serves
	case event.PodReleased:
		return leaving
	case event.PodOut, event.PodEvicted, event.PodEnding:
		return drains
	case event.PodGone:
		return over
	}
	return other
}

func targetLook(what string) string {
	switch event.TargetState(what) {
	case event.TargetInService:
		return serves
	case event.TargetDraining:
		return drains
	case event.TargetOut:
		return over
	case event.TargetOutOfService, event.TargetUnused: // not asked yet, or no longer: its lane tells
	}
	return other
}
