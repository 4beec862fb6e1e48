package sampan

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/sign"
)

// QueryRequest selects transactions. Every field may be empty: the zero value selects the current
// month.
type QueryRequest struct {
	IDs      []string // syssn
	OrderNos []string // out_trade_no
	PayTypes []PayType
	Code     Code      // only transactions in this state
	From, To time.Time // of creation: both or neither, at most 92 days; ignored with IDs or OrderNos
	Page     int       // from 1
	PageSize int       // at most 100; 10 if 0
	StoreID  string    // default: the client's
}

// QueryResult is one page of transactions.
type QueryResult struct {
	Page         int
	PageSize     int
	Transactions []Transaction
}

// Query looks up transactions. For an order whose outcome is not known yet, the gateway also asks
// the wallet, at most once in three seconds. Unknown numbers are missing from the result; they are
// not an error.
func (c *Client) Query(ctx context.Context, r QueryRequest) (*QueryResult, error) {
	p := sign.Params{}
	set(p, "syssn", strings.Join(r.IDs, ","))
	set(p, "out_trade_no", strings.Join(r.OrderNos, ","))
	types := make([]string, len(r.PayTypes))
	for i, t := range r.PayTypes {
		types[i] = string(t)
	}
	set(p, "pay_type", strings.Join(types, ","))
	set(p, "respcd", string(r.Code))
	set(p, "mchid", c.store(r.StoreID))
	// The API reads these as UTC+8, whatever Zone is.
	if !r.From.IsZero() {
		p["start_time"] = r.From.In(hongKong).Format(time.DateTime)
	}
	if !r.To.IsZero() {
		p["end_time"] = r.To.In(hongKong).Format(time.DateTime)
	}
	if r.Page != 0 {
		p["page"] = strconv.Itoa(r.Page)
	}
	if r.PageSize != 0 {
		p["page_size"] = strconv.Itoa(r.PageSize)
	}
	a, err := c.call(ctx, "/trade/v1/query", p)
	if err != nil {
		return nil, err
	}
	result := &QueryResult{Page: int(a.minor("page")), PageSize: int(a.minor("page_size"))}
	var rows []map[string]json.RawMessage
	if err := json.Unmarshal(a.fields["data"], &rows); err != nil {
		return nil, fmt.Errorf("sampan: data in the answer to a query: %w", err)
	}
	for _, row := range rows {
		b := &answer{fields: row, zone: a.zone}
		t := b.transaction()
		t.Refund, t.OriginalID = b.text("order_type") == "refund", b.text("origssn")
		if b.err != nil {
			return nil, b.err
		}
		result.Transactions = append(result.Transactions, t)
	}
	if a.err != nil {
		return nil, a.err
	}
	return result, nil
}
