package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// pack is a package with its mutants.
type pack struct {
	name, dir, path string
	scratch         string // folder for what is built
	sources         map[string][]byte
	mutants         []*mutant

	mu      sync.Mutex
	noticed map[string]int // file and test -> when the test last failed for a mutant of the file
	serial  int
}

// load finds the package and its mutants.
func load(pkg string, files []string) (*pack, error) {
	out, err := exec.Command("go", "list", "-f", "{{.Name}}\n{{.Dir}}\n{{.ImportPath}}\n{{range .GoFiles}}{{.}} {{end}}", pkg).Output()
	if err != nil {
		return nil, told(err)
	}
	lines := strings.Split(string(out), "\n")
	p := &pack{name: lines[0], dir: lines[1], path: lines[2], sources: map[string][]byte{}, noticed: map[string]int{}}
	next := 1
	for _, file := range strings.Fields(lines[3]) {
		if len(files) > 0 && !slices.Contains(files, file) {
			continue
		}
		source, err := os.ReadFile(filepath.Join(p.dir, file))
		if err != nil {
			return nil, err
		}
		f := &finder{file: file, set: token.NewFileSet(), source: source, next: next}
		parsed, err := parser.ParseFile(f.set, file, source, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if ast.IsGenerated(parsed) {
			continue
		}
		f.find(parsed)
		p.sources[file], p.mutants, next = source, append(p.mutants, f.mutants...), f.next
	}
	if len(p.mutants) == 0 {
		return nil, errors.New("there is nothing to change")
	}
	p.scratch, err = os.MkdirTemp("", "mutate")
	return p, err
}

// keep drops the mutants that are not in a list, if there is one.
func (p *pack) keep(list string) error {
	if list == "" {
		return nil
	}
	text, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		_, mutant, _ := strings.Cut(strings.TrimSpace(line), " ")
		listed[strings.TrimSpace(mutant)] = true
	}
	p.mutants = slices.DeleteFunc(p.mutants, func(m *mutant) bool { return !listed[m.String()] })
	return nil
}

// told puts what a command printed into its error.
func told(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return err
}

// binary is the test binary that holds every mutant.
func (p *pack) binary() string { return filepath.Join(p.scratch, "mutants.test") }

// build compiles them all. Those on lines that the compiler refuses are dropped: a
// change by text alone does not always fit the types.
func (p *pack) build() error {
	for range 20 {
		overlay, err := p.overlay()
		if err != nil {
			return err
		}
		out, err := exec.Command("go", "test", "-c", "-vet=off", "-gcflags=-e", "-overlay", overlay, "-o", p.binary(), p.path).CombinedOutput()
		if err == nil {
			return nil
		}
		if !p.drop(string(out)) {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return errors.New("what is changed does not compile")
}

var refusal = regexp.MustCompile(`(?m)([\w.-]+\.go):(\d+):\d+:`)

// drop removes the mutants of lines that do not compile. False: there are none.
func (p *pack) drop(output string) bool {
	refused := map[string]bool{}
	for _, m := range refusal.FindAllStringSubmatch(output, -1) {
		refused[m[1]+":"+m[2]] = true
	}
	before := len(p.mutants)
	p.mutants = slices.DeleteFunc(p.mutants, func(m *mutant) bool { return refused[m.file+":"+strconv.Itoa(m.line)] })
	return len(p.mutants) < before
}

// overlay writes the changed files, on the same lines, and what chooses a mutant.
func (p *pack) overlay() (string, error) {
	replace := map[string]string{filepath.Join(p.dir, "zz_mutants.go"): filepath.Join(p.scratch, "zz_mutants.go")}
	err := os.WriteFile(filepath.Join(p.scratch, "zz_mutants.go"), []byte("package "+p.name+chooser), 0o644)
	for file, source := range p.sources {
		changed := filepath.Join(p.scratch, file)
		replace[filepath.Join(p.dir, file)] = changed
		err = errors.Join(err, os.WriteFile(changed, []byte(p.changed(file, source)), 0o644))
	}
	text, failed := json.Marshal(map[string]any{"Replace": replace})
	list := filepath.Join(p.scratch, "overlay.json")
	return list, errors.Join(err, failed, os.WriteFile(list, text, 0o644))
}

// changed is a file with its mutants. An outer one opens before an inner one and
// closes after it.
func (p *pack) changed(file string, source []byte) string {
	opens, closes := map[int]string{}, map[int]string{}
	mine := slices.DeleteFunc(slices.Clone(p.mutants), func(m *mutant) bool { return m.file != file })
	slices.SortStableFunc(mine, func(a, b *mutant) int { return (b.to - b.from) - (a.to - a.from) })
	for _, m := range mine {
		opens[m.from] += m.before
		closes[m.to] = m.after + closes[m.to]
	}
	var b strings.Builder
	for i := 0; i <= len(source); i++ {
		b.WriteString(closes[i] + opens[i])
		if i < len(source) {
			b.WriteByte(source[i])
		}
	}
	return b.String()
}

// chooser is what the changed code calls. Without a choice it writes down, once,
// which mutants are reached.
const chooser = `

import (
	mutantOS "os"
	mutantText "strconv"
	mutantSync "sync"
)

var (
	mutantChosen, _ = mutantText.Atoi(mutantOS.Getenv("MUTANT"))
	mutantList      = mutantOS.Getenv("MUTANTS_REACHED")
	mutantReached   mutantSync.Map
)

func mutantIs(n int) bool {
	if mutantList != "" {
		if _, known := mutantReached.LoadOrStore(n, true); !known {
			if f, err := mutantOS.OpenFile(mutantList, mutantOS.O_APPEND|mutantOS.O_WRONLY|mutantOS.O_CREATE, 0o644); err == nil {
				_, _ = f.WriteString(mutantText.Itoa(n) + "\n")
				_ = f.Close()
			}
		}
	}
	return n == mutantChosen
}

func mutantZero[T any](n int, v T) (zero T) {
	if mutantIs(n) {
		return zero
	}
	return v
}

func mutantPick[T any](n int, v, other T) T {
	if mutantIs(n) {
		return other
	}
	return v
}
`
