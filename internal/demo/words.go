package demo

import (
	"net/http"
	"strings"

	"github.com/sampanpay/sampan"
)

// words are the shop's texts in one language.
type words struct {
	Lang, Title, Lead, Choose, PayWith, Alipay, AlipayHK, Test         string
	Order, Wallet, Waiting, WaitingWhy, Paid, PaidWhy, PayNow, Another string
	Received, Trouble, TroubleWhy, Missing, MissingWhy                 string
	InApp, Refund, Refunding, RefundingWhy, Refunded, RefundedWhy      string
	RefundRest, RefundedSum, Partly, PartlyWhy                         string
	NotRefunded, NotRefundedWhy, Unknown, UnknownWhy                   string
}

// Of returns the heading and the explanation of an order's state.
func (w words) Of(state string) [2]string {
	return map[string][2]string{
		"waiting": {w.Waiting, w.WaitingWhy}, "paid": {w.Paid, w.PaidWhy},
		"refunding": {w.Refunding, w.RefundingWhy}, "refunded": {w.Refunded, w.RefundedWhy},
		"partly": {w.Partly, w.PartlyWhy},
	}[state]
}

// Name returns a wallet's name.
func (w words) Name(wallet sampan.PayType) string {
	switch wallet {
	case sampan.AlipayHK:
		return w.AlipayHK
	case sampan.AlipayServiceWindow:
		return w.InApp
	}
	return w.Alipay
}

var (
	english = words{
		Lang: "en", Title: "Sampan Tea", Lead: "Leaves from the hills, brewed by the harbour.",
		Choose: "Choose a tea", PayWith: "Pay with", Alipay: "Alipay", AlipayHK: "AlipayHK",
		Test:  "A demonstration. No tea is sent.",
		Order: "Order", Wallet: "Wallet", Waiting: "Waiting for the payment",
		WaitingWhy: "This page updates by itself. It trusts the gateway's notification, not the " +
			"browser's return.",
		Paid:    "Paid, thank you",
		PaidWhy: "The gateway has notified us, with a valid signature. Your tea is brewing.",
		PayNow:  "Go to the payment", Another: "Another tea",
		Received: "The notification that we received",
		Trouble:  "The payment could not be started", TroubleWhy: "Nothing was charged. Please try again.",
		Missing:    "Order not found",
		MissingWhy: "The shop keeps only its latest orders, and forgets them all when it restarts.",
		InApp:      "Inside the Alipay app", Refund: "Return the tea for a refund",
		Refunding:    "Your refund is on its way",
		RefundingWhy: "The wallet has not confirmed it yet. The gateway keeps asking and will notify us.",
		Refunded:     "You have been refunded",
		RefundedWhy:  "The wallet has refunded the full amount. You are welcome to choose another tea.",
		RefundRest:   "Return the tea for a refund of the rest", RefundedSum: "Refunded",
		Partly:         "You have been refunded in part",
		PartlyWhy:      "The wallet has refunded the amount below. The rest remains paid.",
		NotRefunded:    "The refund was not possible",
		NotRefundedWhy: "The gateway gave the reason below. Your order is unchanged.",
		Unknown:        "The outcome of the refund is not known yet",
		UnknownWhy: "The gateway could not tell. Go back and press the button again: " +
			"the gateway never refunds the same money twice.",
	}
	traditional = words{
		Lang: "zh-Hant", Title: "舢舨茶舖", Lead: "山上的茶葉，海旁沖泡。",
		Choose: "選擇茶品", PayWith: "付款方式", Alipay: "支付寶", AlipayHK: "AlipayHK",
		Test:  "此為示範，不會寄出茶葉。",
		Order: "訂單", Wallet: "錢包", Waiting: "等待付款",
		WaitingWhy: "本頁會自動更新。我們只相信支付網關的通知，不以瀏覽器返回為準。",
		Paid:       "已付款，多謝", PaidWhy: "支付網關已通知我們，並附有簽名。茶正在沖泡。",
		PayNow: "前往付款", Another: "再選一款",
		Received: "我們收到的通知",
		Trouble:  "未能開始付款", TroubleWhy: "沒有扣款，請再試一次。",
		Missing: "找不到訂單", MissingWhy: "本店只保留最近的訂單；重新啟動後，之前的訂單不再保留。",
		InApp: "在支付寶 App 內付款", Refund: "退茶退款",
		Refunding: "正在退款", RefundingWhy: "錢包尚未確認。支付網關會繼續查詢，並通知我們。",
		Refunded: "已退款", RefundedWhy: "錢包已全數退回款項。歡迎再選一款。",
		RefundRest: "退茶，退回餘款", RefundedSum: "已退款項",
		Partly: "已退回部分款項", PartlyWhy: "錢包已退回下列金額，其餘款項仍為已付。",
		NotRefunded: "未能退款", NotRefundedWhy: "支付網關給出的原因如下，訂單沒有任何變動。",
		Unknown: "退款結果尚未確定", UnknownWhy: "支付網關未能確認。請返回再按一次：支付網關不會重複退款。",
	}
	simplified = words{
		Lang: "zh-Hans", Title: "舢舨茶铺", Lead: "山上的茶叶，海边冲泡。",
		Choose: "选择茶品", PayWith: "付款方式", Alipay: "支付宝", AlipayHK: "AlipayHK",
		Test:  "此为演示，不会寄出茶叶。",
		Order: "订单", Wallet: "钱包", Waiting: "等待付款",
		WaitingWhy: "本页会自动更新。我们只相信支付网关的通知，不以浏览器返回为准。",
		Paid:       "已付款，谢谢", PaidWhy: "支付网关已通知我们，并附有签名。茶正在冲泡。",
		PayNow: "前往付款", Another: "再选一款",
		Received: "我们收到的通知",
		Trouble:  "未能开始付款", TroubleWhy: "没有扣款，请再试一次。",
		Missing: "找不到订单", MissingWhy: "本店只保留最近的订单；重新启动后，之前的订单不再保留。",
		InApp: "在支付宝 App 内付款", Refund: "退茶退款",
		Refunding: "正在退款", RefundingWhy: "钱包尚未确认。支付网关会继续查询，并通知我们。",
		Refunded: "已退款", RefundedWhy: "钱包已全额退回款项。欢迎再选一款。",
		RefundRest: "退茶，退回余款", RefundedSum: "已退金额",
		Partly: "已退回部分款项", PartlyWhy: "钱包已退回下列金额，其余款项仍为已付。",
		NotRefunded: "未能退款", NotRefundedWhy: "支付网关给出的原因如下，订单没有任何变动。",
		Unknown: "退款结果尚未确定", UnknownWhy: "支付网关未能确认。请返回再按一次：支付网关不会重复退款。",
	}
)

// wordsFor picks the first language of the browser's list that the shop has. Browsers list
// languages in the order of preference.
func wordsFor(r *http.Request) words {
	for entry := range strings.SplitSeq(strings.ToLower(r.Header.Get("Accept-Language")), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(entry), ";")
		switch parts := strings.Split(tag, "-"); parts[0] {
		case "en":
			return english
		case "zh":
			for _, part := range parts[1:] {
				switch part {
				case "hans":
					return simplified
				case "hant", "hk", "mo", "tw":
					return traditional
				}
			}
			return simplified
		}
	}
	return english
}
