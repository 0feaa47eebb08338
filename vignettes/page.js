// Colours the R, Python, C++ and shell code of a page. It needs no network: one regular expression per language.
(() => {
  const words = {
    r: 'function|if|else|for|while|repeat|in|next|break|TRUE|FALSE|NULL|NA|Inf|NaN',
    python: 'def|return|if|else|elif|for|while|in|import|from|as|with|lambda|class|try|except|None|True|False|and|or|not',
    cpp: 'double|int|void|bool|const|return|if|else|for|while|auto|struct|class|namespace|include|template|size_t',
    bash: 'if|then|fi|for|do|done|export|sudo|cd'
  };
  const comment = { r: '#.*', python: '#.*', cpp: '//.*', bash: '#.*' };
  const escape = text => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  for (const code of document.querySelectorAll('pre > code')) {
    const found = code.className.match(/language-(r|python|cpp|bash)\b/);
    if (!found) continue;
    const language = found[1];
    const token = new RegExp([
      `(?<comment>${comment[language]})`,
      `(?<string>"(?:\\\\.|[^"\\\\])*"|'(?:\\\\.|[^'\\\\])*')`,
      `(?<keyword>(?<![\\w.$])(?:${words[language]})(?![\\w.]))`,
      `(?<number>(?<![\\w.])\\d[\\d_.]*(?:e[+-]?\\d+)?L?)`,
      `(?<call>[A-Za-z_.][\\w.]*(?=\\())`,
      `[A-Za-z_.][\\w.]*`
    ].join('|'), 'g');
    const text = code.textContent;
    let html = '', at = 0;
    for (const match of text.matchAll(token)) {
      const kind = Object.keys(match.groups).find(name => match.groups[name] !== undefined);
      html += escape(text.slice(at, match.index));
      html += kind ? `<span class="hl-${kind}">${escape(match[0])}</span>` : escape(match[0]);
      at = match.index + match[0].length;
    }
    code.innerHTML = html + escape(text.slice(at));
  }
})();
