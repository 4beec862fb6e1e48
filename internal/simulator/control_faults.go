package simulator

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
)

// readFaults parses the parameter fault, which may repeat.
func readFaults(p params) ([]Fault, error) {
	var fs []Fault
	for _, name := range p["fault"] {
		f, err := parseFault(name)
		if err != nil {
			return nil, badRequest("%v", err)
		}
		fs = append(fs, f)
	}
	slices.Sort(fs)
	return slices.Compact(fs), nil
}

func (s *Simulator) showFaults(*http.Request, params) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faultTable()
}

func (s *Simulator) faultTable() (any, error) {
	settings := awkwardView{s.cfg.Awkward, s.cfg.Seed}
	raw, err := json.Marshal(map[string]any{"set": s.faults, "known": Faults, "awkward": settings})
	return json.RawMessage(raw), err
}

// setFaults replaces the faults of the order or the scope that the call names.
func (s *Simulator) setFaults(_ *http.Request, p params) (any, error) {
	fs, err := readFaults(p)
	if err != nil {
		return nil, err
	}
	if len(fs) == 0 {
		return nil, badRequest("fault is missing")
	}
	if p.get("out_trade_no") == "" && p.get("scope") == "" {
		return nil, badRequest("out_trade_no or scope is missing")
	}
	return s.changeFaults(p, fs)
}

func (s *Simulator) clearFaults(_ *http.Request, p params) (any, error) {
	return s.changeFaults(p, nil)
}

func (s *Simulator) changeFaults(p params, fs []Fault) (any, error) {
	number, scope := p.get("out_trade_no"), p.get("scope")
	if number != "" && scope != "" {
		return nil, badRequest("out_trade_no and scope exclude each other")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	book := s.faults
	switch {
	case number != "":
		book = book.with(number, fs)
	case scope == "next":
		book.Next = fs
	case scope == "all":
		book.All = fs
	case scope == "":
		book = faultBook{}
	default:
		return nil, badRequest("scope %q is neither next nor all", scope)
	}
	if err := s.commit(change{Faults: &book}); err != nil {
		return nil, err
	}
	return s.faultTable()
}

// controlView is the data of the page for people.
type controlView struct {
	Orders  []orderView
	Faults  []FaultInfo
	Set     faultBook
	Awkward awkwardView
}

// Path returns the address of an order, or of an action on it.
func (v orderView) Path(act string) string {
	return "/trades/" + url.PathEscape(v.OutTradeNo) + act + "?partner=" + v.Partner
}

// shownOrders limits the orders on the page.
const shownOrders = 50

func (s *Simulator) showControl(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.closeOverdue(s.cfg.Now())
	v := controlView{Faults: Faults, Set: s.faults, Awkward: awkwardView{s.cfg.Awkward, s.cfg.Seed}}
	for _, o := range slices.Backward(s.list) {
		if len(v.Orders) == shownOrders {
			break
		}
		one := s.view(o, false)
		one.Trade = nil // shared with later changes
		v.Orders = append(v.Orders, one)
	}
	s.mu.Unlock()
	s.pages.write(w, r, http.StatusOK, "control", v)
}
