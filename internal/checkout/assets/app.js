// What the pages do beyond what they show: copy the link, open the wallet's
// cashier, follow a payment, go back to the shop. Old syntax on purpose: chat apps carry old browsers.
(function () {
  'use strict';

  var copy = document.getElementById('copy');
  if (copy) {
    copy.hidden = false;
    copy.addEventListener('click', function () {
      var link = document.getElementById('link');
      if (navigator.clipboard && navigator.clipboard.writeText) {
        navigator.clipboard.writeText(link.textContent).then(copied, function () { select(link); });
      } else {
        select(link);
      }
    });
  }

  // select marks the link, so that the buyer can copy it by hand if we may not.
  function select(link) {
    var range = document.createRange();
    range.selectNodeContents(link);
    var selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    try { if (document.execCommand('copy')) copied(); } catch (e) { /* it stays marked */ }
  }

  function copied() {
    var text = copy.textContent;
    if (text === copy.getAttribute('data-done')) return;
    copy.textContent = copy.getAttribute('data-done');
    setTimeout(function () { copy.textContent = text; }, 2500);
  }

  var page = document.querySelector('main');
  var address = page.getAttribute('data-poll');
  var askWallet = address && follow();
  if (page.getAttribute('data-trade')) cashier();

  // cashier opens the wallet's own window over this page. What that answers is
  // a hint: the outcome is what the payment's status says. Where something may
  // have been paid, the result page waits for it.
  function cashier() {
    var button = document.getElementById('pay'), open = false;
    var late = setTimeout(function () { show('unopened'); }, 6000);
    button.addEventListener('click', pay);
    if (window.AlipayJSBridge) pay();
    else document.addEventListener('AlipayJSBridgeReady', pay);

    function pay() {
      if (open || !window.AlipayJSBridge) return;
      open = true;
      clearTimeout(late);
      show('opening');
      window.AlipayJSBridge.call('tradePay', { tradeNO: page.getAttribute('data-trade') }, function (answer) {
        open = false;
        switch (String(answer && answer.resultCode)) {
          case '6001': // the buyer left it
            show('cancelled');
            break;
          case '4000': // it would not take the payment
          case '4':
            show('refused');
            askWallet();
            break;
          default:
            location.replace(page.getAttribute('data-result'));
        }
      });
    }

    function show(what) {
      ['opening', 'cancelled', 'refused', 'unopened'].forEach(function (id) {
        document.getElementById(id).hidden = id !== what;
      });
      document.body.className = 'window ' + what;
      button.hidden = what === 'opening' || what === 'unopened';
      document.getElementById('ways').hidden = what !== 'unopened';
      var leave = document.getElementById('leave');
      if (leave) leave.hidden = what === 'opening';
    }
  }

  // follow asks at 1, 2, 3.5, 5.75 … and in the end every 15 seconds. Any
  // answer but "waiting" is shown by a page that is loaded in place of this. It
  // returns what has the wallet asked too, at once.
  function follow() {
    var gap = 1000, timer, asking;
    var slow = document.getElementById('slow');
    if (slow) setTimeout(function () { slow.hidden = false; }, Number(page.getAttribute('data-slow-after')));
    timer = setTimeout(function () { ask(); }, gap);
    document.addEventListener('visibilitychange', function () {
      if (!document.hidden) ask();
    });
    return function () { ask('?ask=1'); };

    function ask(query) {
      if (asking) return;
      asking = true;
      clearTimeout(timer);
      var request = new XMLHttpRequest();
      request.open('GET', address + (query || ''));
      request.timeout = 10000;
      request.onloadend = function () {
        asking = false;
        var status = 'waiting';
        try { if (request.status === 200) status = JSON.parse(request.responseText).status; } catch (e) { /* ask again */ }
        if (status !== 'waiting') {
          location.replace(page.getAttribute('data-next'));
          return;
        }
        timer = setTimeout(function () { ask(); }, gap);
        gap = Math.min(gap * 1.5, 15000);
      };
      request.send();
    }
  }

  var leaving = document.getElementById('leaving');
  if (leaving) leave(2);

  function leave(seconds) {
    if (seconds > 0) {
      leaving.textContent = leaving.getAttribute('data-soon').replace('{n}', seconds);
      setTimeout(function () { leave(seconds - 1); }, 1000);
      return;
    }
    var shop = document.getElementById('leave');
    if (/^https?:$/.test(shop.protocol)) location.replace(shop.href);
  }
})();
