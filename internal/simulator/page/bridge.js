// The bridge that Alipay's browser gives to pages, and the cashier that it opens over them. Only
// tradePay is simulated. Other calls get an empty answer.
(function () {
  'use strict';
  var own = '/~app/';

  function element(name, text, parent) {
    var e = document.createElement(name);
    e.textContent = text || '';
    if (parent) parent.appendChild(e);
    return e;
  }

  function cashier(tradeNO, done) {
    fetch(own + 'trade?tradeNO=' + encodeURIComponent(tradeNO)).then(function (answer) { return answer.json(); }).then(function (trade) {
      var back = element('div', '', document.body);
      back.id = 'alipay-cashier';
      var sheet = element('section', '', back);
      sheet.setAttribute('role', 'dialog');
      element('p', trade.words.simulator, sheet).className = 'banner';
      element('h2', trade.total || 'Alipay', sheet);
      element('p', [trade.payee, trade.subject].filter(Boolean).join(' · '), sheet);
      if (trade.why) element('p', trade.why, sheet).className = 'why';
      else element('p', trade.words.as + ' ' + trade.buyer, sheet);
      ['9000', '8000', '6002', '4000', '6001'].forEach(function (code) {
        if (trade.why && code !== '4000' && code !== '6001') return;
        var button = element('button', trade.words[code], sheet);
        button.id = 'outcome-' + code;
        button.type = 'button';
        button.addEventListener('click', function () {
          button.disabled = true;
          fetch(own + 'trade', { method: 'POST', body: new URLSearchParams({ tradeNO: tradeNO, outcome: code }) })
            .then(function (answer) { return answer.json(); })
            .then(function (result) { back.remove(); done(result); });
        });
      });
    });
  }

  var bridge = {
    call: function (name, options, callback) {
      if (typeof options === 'function') { callback = options; options = {}; }
      callback = callback || function () {};
      if (name !== 'tradePay') return void setTimeout(callback, 0, {});
      if (!options || !options.tradeNO) return void setTimeout(callback, 0, { resultCode: '4000', memo: 'no tradeNO' });
      cashier(options.tradeNO, callback);
    }
  };

  // As in the app, the bridge is ready a moment after the page.
  document.addEventListener('DOMContentLoaded', function () {
    var style = element('link', '', document.head);
    style.rel = 'stylesheet';
    style.href = own + 'style.css';
    setTimeout(function () {
      window.AlipayJSBridge = bridge;
      document.dispatchEvent(new Event('AlipayJSBridgeReady'));
    }, 300);
  });
})();
