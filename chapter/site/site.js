// The search: every word must occur in a page; those with the words in their title come first.
(() => {
  const box = document.getElementById('search'), found = document.getElementById('found');
  const escape = text => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  const lowered = pages.map(page => ({ page, title: page.t.toLowerCase(), text: page.x.toLowerCase() }));
  const excerpt = (page, at) => {
    const from = Math.max(0, at - 60);
    return escape((from ? '… ' : '') + page.x.slice(from, at + 120)) + ' …';
  };
  box.addEventListener('input', () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    found.hidden = words.length === 0;
    if (found.hidden) return;
    const hits = lowered
      .filter(entry => words.every(word => entry.title.includes(word) || entry.text.includes(word)))
      .map(entry => ({
        page: entry.page, at: Math.max(0, entry.text.indexOf(words[0])),
        score: words.filter(word => entry.title.includes(word)).length * 100 + entry.text.split(words[0]).length
      }))
      .sort((a, b) => b.score - a.score).slice(0, 12);
    found.innerHTML = hits.length
      ? hits.map(hit => `<p><a href="${hit.page.u}">${escape(hit.page.t)}</a><br>${excerpt(hit.page, hit.at)}</p>`).join('')
      : `<p>${document.documentElement.lang.startsWith('zh') ? '没有找到' : 'Nothing found'}</p>`;
  });
  box.addEventListener('keydown', event => { if (event.key === 'Escape') { box.value = ''; found.hidden = true; } });
})();
