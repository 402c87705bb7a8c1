package html

import (
	"strconv"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// svg writes the picture: what lies behind first.
func (p picture) svg() g.Node {
	return h.SVG(
		g.Attr("viewBox", "0 0 "+p.Width.String()+" "+p.Height.String()),
		h.Role("img"), h.Aria("label", "Requests, latency and moved objects over time"),
		g.Map(p.Bands, func(b band) g.Node {
			return g.Group{
				rect(b.X, stripTop, b.Width, p.Bottom, "band "+b.Class, tooltip(b.Tip)),
				g.If(b.Name != "", text(b.X, 40, "strip "+b.Class, shift("dx", 4), g.Text(b.Name))),
			}
		}),
		g.Map(p.Brackets, func(b band) g.Node {
			return g.Group{
				rect(b.X, stripTop, b.Width, 3, "stripe "+b.Class, tooltip(b.Tip)),
				g.If(b.Name != "", text(b.X, 24, "strip "+b.Class, shift("dx", 4), g.El("tspan", g.Text(b.Name)), tooltip(b.Tip))),
			}
		}),
		g.Map(p.Ticks, func(m mark) g.Node {
			return g.Group{
				line(m.At, p.Bottom, m.At, p.Bottom),
				text(m.At, p.Bottom, "", shift("dy", 22), anchor("middle"), g.Text(m.Text)),
			}
		}),
		g.Map(p.Plots, p.plot),
		g.Map(p.Columns, func(c column) g.Node {
			return g.Map(p.Plots, func(of plot) g.Node {
				return rect(c.X, of.Top, c.Width, of.Bottom-of.Top, "column", tooltip(c.Tip))
			})
		}),
		g.Map(p.Plots, func(of plot) g.Node {
			return g.Map(of.Failures, func(f failureMark) g.Node {
				return g.El("circle", h.Class("failed"), at("cx", f.X), at("cy", f.Y), at("r", f.R), tooltip(f.Tip))
			})
		}),
		g.Map(p.Groups, p.group),
	)
}

func (p picture) plot(of plot) g.Node {
	return g.Group{
		text(p.Left, of.Top, "title", shift("dx", 4), shift("dy", -8), g.Text(of.Title)),
		g.Map(of.Grid, func(m mark) g.Node {
			return g.Group{
				line(p.Left, m.At, p.Right, m.At),
				text(p.Left, m.At, "", shift("dx", -8), shift("dy", 4), anchor("end"), g.Text(m.Text)),
			}
		}),
		g.Map(of.Series, func(s series) g.Node {
			return g.El("path", h.Class("line "+s.Class), g.Attr("d", s.Path))
		}),
	}
}

func (p picture) group(of group) g.Node {
	return g.Group{
		text(p.Left, of.TextY, "title", shift("dx", 4), g.Text(of.Title)),
		g.Map(of.Lanes, func(l lane) g.Node {
			return g.Group{
				text(p.Left, l.TextY, "lane", shift("dx", -8), anchor("end"), g.Text(l.Name), tooltip(l.Full)),
				g.Map(l.Parts, func(of part) g.Node {
					return g.Group{
						rect(of.X, l.Y, of.Width, 14, "part "+of.Class, g.Attr("rx", "2"), tooltip(of.Tip)),
						g.If(of.Text != "", text(of.X, l.TextY, "on", shift("dx", 4), g.Text(of.Text))),
					}
				}),
			}
		}),
	}
}

func rect(x, y, width, height px, class string, more ...g.Node) g.Node {
	return g.El("rect", h.Class(class), at("x", x), at("y", y), at("width", width), at("height", height), g.Group(more))
}

func line(x1, y1, x2, y2 px) g.Node {
	return g.El("line", h.Class("grid"), at("x1", x1), at("x2", x2), at("y1", y1), at("y2", y2))
}

func text(x, y px, class string, more ...g.Node) g.Node {
	return g.El("text", g.If(class != "", h.Class(class)), at("x", x), at("y", y), g.Group(more))
}

func tooltip(text string) g.Node { return g.El("title", g.Text(text)) }

func anchor(where string) g.Node { return g.Attr("text-anchor", where) }

func at(name string, value px) g.Node { return g.Attr(name, value.String()) }

func shift(name string, by int) g.Node { return g.Attr(name, strconv.Itoa(by)) }
