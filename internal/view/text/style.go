package text

// Style is how lines look. Plain is for pipes, dumb terminals and NO_COLOR:
// ASCII only, no escape sequences.
type Style struct{ Plain bool }

// Escape sequences of ECMA-48, "select graphic rendition".
const (
	bold  = "\x1b[1m"
	faint = "\x1b[2m"
	red   = "\x1b[31m"
	green = "\x1b[32m"
	reset = "\x1b[0m"
)

func (s Style) paint(code, text string) string {
	if s.Plain || text == "" {
		return text
	}
	return code + text + reset
}

func (s Style) bold(t string) string { return s.paint(bold, t) }
func (s Style) dim(t string) string  { return s.paint(faint, t) }
func (s Style) bad(t string) string  { return s.paint(red, t) }
func (s Style) good(t string) string { return s.paint(green, t) }

func (s Style) pick(unicode, ascii string) string {
	if s.Plain {
		return ascii
	}
	return unicode
}

func (s Style) check() string { return s.pick("✓", "ok") }
func (s Style) cross() string { return s.pick("✗", "FAILED") }
func (s Style) start() string { return s.pick("▸", ">") }
