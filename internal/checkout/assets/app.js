// What the pages do beyond what they show: copy the link, follow a payment,
// go back to the shop. Old syntax on purpose: chat apps carry old browsers.
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
  if (address) follow();

  // follow asks at 1, 2, 3.5, 5.75 … and in the end every 15 seconds. Any
  // answer but "waiting" is shown by the page itself, loaded once more.
  function follow() {
    var gap = 1000, timer, asking;
    var slow = document.getElementById('slow');
    setTimeout(function () { slow.hidden = false; }, Number(page.getAttribute('data-slow-after')));
    timer = setTimeout(ask, gap);
    document.addEventListener('visibilitychange', function () {
      if (!document.hidden) ask();
    });

    function ask() {
      if (asking) return;
      asking = true;
      clearTimeout(timer);
      var request = new XMLHttpRequest();
      request.open('GET', address);
      request.timeout = 10000;
      request.onloadend = function () {
        asking = false;
        var status = 'waiting';
        try { if (request.status === 200) status = JSON.parse(request.responseText).status; } catch (e) { /* ask again */ }
        if (status !== 'waiting') {
          location.replace(page.getAttribute('data-next'));
          return;
        }
        timer = setTimeout(ask, gap);
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
