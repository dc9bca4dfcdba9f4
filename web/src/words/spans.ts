/** Weir's sentences mark names with backticks, as Markdown does. Pure. */

export interface Span {
  text: string;
  code: boolean;
}

/** A sentence as plain and marked pieces; a backtick without its pair is one. */
export function spans(text: string): Span[] {
  const out: Span[] = [];
  let rest = text;
  for (;;) {
    const open = rest.indexOf('`');
    const shut = open < 0 ? -1 : rest.indexOf('`', open + 1);
    if (shut < 0) break;
    if (open > 0) out.push({ text: rest.slice(0, open), code: false });
    if (shut > open + 1) out.push({ text: rest.slice(open + 1, shut), code: true });
    rest = rest.slice(shut + 1);
  }
  if (rest) out.push({ text: rest, code: false });
  return out;
}
