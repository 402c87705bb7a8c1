package state

// sort puts every resource after what it needs, and otherwise leaves the order
// as it is. Order-only needs that would close a circle with references are not kept.
func (s *Snapshot) sort() {
	sorted := s.sorted(true)
	trial := Snapshot{Resources: sorted}
	if trial.Verify() != nil {
		sorted = s.sorted(false)
	}
	s.Resources = sorted
	s.at = make(map[Need]int, len(sorted))
	for i, r := range sorted {
		s.at[Need{r.URN, r.Gen}] = i
	}
}

func (s *Snapshot) sorted(orderOnly bool) []Resource {
	at := make(map[Need]int, 2*len(s.Resources))
	for i, r := range s.Resources {
		at[Need{r.URN, r.Gen}] = i
		if !r.Condemned && orderOnly {
			at[Need{URN: r.URN}] = i
		}
	}
	sorted := make([]Resource, 0, len(s.Resources))
	placed := make([]bool, len(s.Resources))
	var place func(int)
	place = func(i int) {
		if placed[i] {
			return
		}
		placed[i] = true
		for _, n := range s.Resources[i].Needs {
			if j, ok := at[n]; ok {
				place(j)
			}
		}
		sorted = append(sorted, s.Resources[i])
	}
	for i := range s.Resources {
		place(i)
	}
	return sorted
}
