package view

import (
	"fmt"
	"strconv"
	"time"
)

// Count writes 231004 as 231,004.
func Count(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Rate writes requests per second.
func Rate(perSecond float64) string {
	if perSecond < 10 {
		return fmt.Sprintf("%.1f/s", perSecond)
	}
	return Count(int(perSecond+0.5)) + "/s"
}

// Took writes how long something lasted: 0.4s, 12.3s, 4m05s.
func Took(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	d = d.Round(time.Second)
	if d < time.Hour {
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// Latency writes three digits at most: 0.08ms, 6.1ms, 231ms, 1.25s.
func Latency(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.2fms", ms)
	case ms < 10:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0fms", ms)
	}
	return fmt.Sprintf("%.2fs", d.Seconds())
}

// Spark draws values as a row of bars as tall as the largest, which is at
// least floor; levels are the bars from empty to full.
func Spark(values []float64, floor float64, levels []rune) string {
	top := floor
	for _, v := range values {
		top = max(top, v)
	}
	row := make([]rune, len(values))
	for i, v := range values {
		level := 0
		if v > 0 && top > 0 {
			level = min(1+int(v/top*float64(len(levels)-1)), len(levels)-1)
		}
		row[i] = levels[level]
	}
	return string(row)
}

// Bars for Spark.
var (
	Blocks = []rune(" ▁▂▃▄▅▆▇█")
	ASCII  = []rune(" .:-=+*#%")
)
