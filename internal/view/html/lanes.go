package html

import (
	"fmt"
	"strings"
	"time"

	"github.com/droverhq/drover/internal/story"
	"github.com/droverhq/drover/internal/verdict"
)

// shownLanes bounds a group; a move of hundreds of pods is read in the tables.
const shownLanes = 40

// lanes draws one lane an object: from each change to the next, the state it
// then was in. It returns where the next group begins.
func lanes(title string, all []verdict.Lane, a axis, end time.Time, y px) (group, px) {
	g := group{Title: title, TextY: y + 4}
	if len(all) > shownLanes {
		g.Title = fmt.Sprintf("%s (the first %d of %d)", title, shownLanes, len(all))
		all = all[:shownLanes]
	}
	y += 14
	for _, l := range all {
		g.Lanes = append(g.Lanes, lane{
			Name: fit(shortName(l.Name), left-12), Full: strings.TrimSpace(l.Name + " " + l.On),
			Y: y, TextY: y + laneTall - 6, Parts: parts(l, a, end),
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

func parts(l verdict.Lane, a axis, end time.Time) []part {
	var all []part
	for i, c := range l.Changes {
		to := end
		if i+1 < len(l.Changes) {
			to = l.Changes[i+1].At
		}
		x := a.x(c.At)
		width := max(a.x(to)-x, minWidth)
		if over(c.What) {
			width = minWidth
		}
		all = append(all, part{X: x, Width: width, Class: state(c.What), Text: fit(c.What, width-6), Tip: tip(l, c, a)})
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

// over: nothing comes after it.
func over(what string) bool { return state(what) == "over" }

// state is the colour of a part: serving, on its way out, no longer asked, or
// over. The words are those of docs/events.md.
func state(what string) string {
	switch what {
	case "InService", "replaced", "uncordoned", "back in load balancers", "given back":
		return "serves"
	case "cordoned", "released":
		return "leaving"
	case "excluded from load balancers", "draining", "out of its Services", "evicted":
		return "drains"
	case "removed", "gone", "out":
		return "over"
	}
	return "other"
}
