package wire

import "fmt"

// Join makes one table of a service's chapters. An action that two of them have is a
// mistake that must not go unnoticed: one would answer in the other's place.
func Join(chapters ...map[string]Action) map[string]Action {
	all := map[string]Action{}
	for _, chapter := range chapters {
		for name, action := range chapter {
			if all[name] != nil {
				panic(fmt.Sprintf("action %s is there twice", name))
			}
			all[name] = action
		}
	}
	return all
}
