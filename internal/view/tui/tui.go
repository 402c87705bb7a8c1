// Package tui shows a run live on a terminal: the plan's lines as they run,
// what they wait for and for how long, the phases of each hand-over, the nodes
// that are emptied, and the traffic. It reads events and nothing else; where
// there is no terminal, Open gives the plain lines of package text instead.
package tui

import (
	"io"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/story"
	"github.com/droverhq/drover/internal/view/text"
)

// Screen follows one run.
type Screen interface {
	Read(event.Event) // never waits; the reader for event.NewLog
	Close() error     // shows the end, which stays on the screen
}

var (
	_ Screen = (*View)(nil)
	_ Screen = (*text.View)(nil)
)

// Open chooses the live view for a terminal that can move its cursor, plain
// lines for all else. NO_COLOR (https://no-color.org) asks for plain ones too.
func Open(out io.Writer, tty bool, getenv func(string) string) Screen {
	if tty && getenv("TERM") != "dumb" && getenv("NO_COLOR") == "" {
		return New(out)
	}
	return text.New(out, text.Style{Plain: true})
}

// View is the live view. Frames show the latest state: a slow terminal skips
// some, the engine never waits for it.
type View struct {
	mu    sync.Mutex
	story story.Story

	program *tea.Program
	done    sync.WaitGroup
	err     error // of the program; read after it ended
}

// The size of what does not tell its own.
const width, height = 100, 30

// New begins to paint on out.
func New(out io.Writer) *View {
	v := &View{}
	// No input and no signals: Ctrl-C goes to the command, which stops in order.
	v.program = tea.NewProgram(&model{view: v, style: colours, width: width, height: height},
		tea.WithOutput(out), tea.WithInput(nil), tea.WithoutSignalHandler(), tea.WithWindowSize(width, height))
	v.done.Go(func() { _, v.err = v.program.Run() })
	return v
}

// Read takes an event.
func (v *View) Read(e event.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.story.Add(e)
}

// Kill ends the view at once and gives the terminal back; no frame is painted.
func (v *View) Kill() { v.program.Kill() }

// Close paints the last frame and leaves it there.
func (v *View) Close() error {
	v.program.Quit()
	v.done.Wait()
	return v.err
}

// frameEvery is the time between frames: ten a second, as a spinner needs.
const frameEvery = 100 * time.Millisecond

type tick time.Time

// model is the view as bubbletea wants it.
type model struct {
	view          *View
	style         style
	width, height int
	frames        int
}

func (m *model) Init() tea.Cmd { return next() }

func next() tea.Cmd { return tea.Tick(frameEvery, func(t time.Time) tea.Msg { return tick(t) }) }

func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tick:
		m.frames++
		return m, next()
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	}
	return m, nil
}

func (m *model) View() tea.View {
	m.view.mu.Lock()
	defer m.view.mu.Unlock()
	text := frame{&m.view.story, m.style, time.Now(), m.width, m.height, m.frames}.draw()
	v := tea.NewView(text)
	v.DisableBracketedPasteMode = true // nothing is read
	// The cursor stays to be seen below the text: whatever ends us, even kill -9,
	// it is there. Shape -1, steady, stands for "as it is".
	v.Cursor = &tea.Cursor{Position: tea.Position{Y: strings.Count(text, "\n")}, Shape: -1}
	return v
}
