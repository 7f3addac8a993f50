package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// The marks on the page between which the tables stand.
const (
	pageBegin = "<!-- made by make bench-responder -->\n"
	pageEnd   = "<!-- end of what make bench-responder makes -->\n"
	plotName  = "performance-responder.svg"
)

// write puts the head, with the goals, and the tables on the page, and the plot between them beside it.
func write(page, head, tables string, rows []row) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), pageBegin)
	_, after, closed := strings.Cut(rest, pageEnd)
	if !ok || !closed {
		return fmt.Errorf("%s has not both marks %q and %q", page, strings.TrimSpace(pageBegin), strings.TrimSpace(pageEnd))
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(page), plotName), []byte(plot(rows)), 0o644); err != nil {
		return err
	}
	return os.WriteFile(page, []byte(before+pageBegin+"\n"+head+"\n![CPU of the server for one exchange]("+plotName+")\n"+tables+"\n"+pageEnd+after), 0o644)
}

// plot draws what an exchange costs each server, on a logarithmic scale: the servers are a thousandfold
// apart.
func plot(rows []row) string {
	const (
		left, width, line = 170, 420, 30
		least, most       = 1e3, 1e8 // ns
	)
	x := func(ns float64) float64 {
		return left + width*math.Log(min(max(ns, least), most)/least)/math.Log(most/least)
	}
	height := line*len(rows) + 60
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 %d" font-family="sans-serif" font-size="13">`+"\n", height)
	fmt.Fprintf(&b, `<rect width="700" height="%d" fill="white"/><text x="10" y="20" font-weight="bold">CPU of the server for one four-message exchange</text>`+"\n", height)
	for i, label := range []string{"1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms"} {
		at := x(least * math.Pow(10, float64(i)))
		fmt.Fprintf(&b, `<line x1="%.1f" y1="32" x2="%.1f" y2="%d" stroke="#ccc"/><text x="%.1f" y="%d" text-anchor="middle" fill="#555">%s</text>`+"\n", at, at, height-24, at, height-8, label)
	}
	for i, r := range rows {
		y, fill := 36+i*line, "#8a8a8a"
		if i == 0 {
			fill = "#2a6fb0"
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text><rect x="%d" y="%d" width="%.1f" height="20" fill="%s"/><text x="%.1f" y="%d">%s</text>`+"\n",
			left-8, y+15, r.name, left, y, x(float64(r.cpu))-left, fill, x(float64(r.cpu))+6, y+15, us(r.cpu))
	}
	return b.String() + "</svg>\n"
}
