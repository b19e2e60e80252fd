package simulation

import "slices"

// instance is an instance of a function. It keeps its memory between invocations.
type instance interface{ of() *process }

func (p *process) of() *process { return p }

// idle returns an instance without an invocation under way: an existing one, or a new one without memory.
func idle[I instance](w *world, all *[]I, start func() I) I {
	*all = slices.DeleteFunc(*all, func(i I) bool { return i.of().dead || i.of().retired })
	var free []I
	for _, i := range *all {
		if !i.of().busy {
			free = append(free, i)
		}
	}
	if len(free) > 0 && w.s.random.Float64() >= w.fresh {
		return free[w.s.random.IntN(len(free))]
	}
	*all = append(*all, start())
	return (*all)[len(*all)-1]
}
