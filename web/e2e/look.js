/**
 * What must hold of any page, whatever it shows: accessibility, layout, motion, focus. Each function
 * gives a list of faults in words; an empty list is what one wants.
 */
import axeCore from 'axe-core';
import { painted } from './wait.js';

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
/** The rules whose verdict depends on the theme. All others look at what both themes share. */
const COLOUR = ['color-contrast', 'link-in-text-block'];

/** Every rule, or those about colours alone: for a page whose other theme was looked at as a whole. The report in its
 * frame runs no scripts, so none of ours; it is looked at as a page of its own. */
export async function axe(page, colours = false) {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axeCore.source);
  const runOnly = colours ? { type: 'rule', values: COLOUR } : { type: 'tag', values: TAGS };
  const { violations } = await page.evaluate((only) => globalThis.axe.run(document, { runOnly: only, resultTypes: ['violations'], iframes: false }), runOnly);
  return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.target.join(' ')}: ${node.html.slice(0, 160)} ${node.any.map((check) => check.message).join('; ')}`));
}

/** In light with every rule, in dark with those about colours. */
export async function axeInBoth(page) {
  const faults = [];
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await painted(page);
    faults.push(...(await axe(page, colorScheme === 'dark')).map((fault) => `in ${colorScheme}: ${fault}`));
  }
  await page.emulateMedia({ colorScheme: 'light' });
  return faults;
}

/** No page scrolls sideways, nothing readable is cut off, and whatever can be pressed is large enough. */
export function layout(page) {
  return page.evaluate(() => {
    const faults = [];
    const wide = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > wide) faults.push(`the page is ${document.documentElement.scrollWidth} px wide in a window of ${wide}`);
    const name = (element) => `<${element.tagName.toLowerCase()}${element.dataset.testid ? ` ${element.dataset.testid}` : ''}${element.className && typeof element.className === 'string' ? ` .${element.className}` : ''}> “${(element.getAttribute('aria-label') ?? element.textContent ?? '').trim().slice(0, 40)}”`;
    const hidden = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const style = getComputedStyle(at);
        if (style.visibility === 'hidden' || style.clipPath !== 'none' || (style.overflow === 'hidden' && at.clientWidth <= 1)) return true;
      }
      return false;
    };
    const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const told = new Set();
    while (words.nextNode()) {
      const text = words.currentNode;
      const element = text.parentElement;
      if (!text.data.trim() || !element || told.has(element) || /^(script|style|option|noscript)$/i.test(element.tagName) || hidden(element)) continue;
      const range = document.createRange();
      range.selectNodeContents(text);
      const rects = [...range.getClientRects()].filter((rect) => rect.width > 0 && rect.height > 0);
      if (rects.length === 0) continue;
      const left = Math.min(...rects.map((rect) => rect.left));
      const right = Math.max(...rects.map((rect) => rect.right));
      for (let box = element; ; box = box.parentElement) {
        if (!box || box === document.documentElement) {
          if ((left < -1 || right > wide + 1) && element.closest('.skip') === null) {
            faults.push(`${name(element)} reaches from ${Math.round(left)} to ${Math.round(right)} in a window of ${wide}`);
            told.add(element);
          }
          break;
        }
        const style = getComputedStyle(box);
        // What scrolls in its own frame is reachable; what ends in dots says that there is more.
        if (/auto|scroll/.test(style.overflowX) || style.textOverflow === 'ellipsis') break;
        if (/hidden|clip/.test(style.overflowX)) {
          const rect = box.getBoundingClientRect();
          if (left < rect.left - 1 || right > rect.right + 1) {
            faults.push(`${name(element)} is cut off by ${name(box)}`);
            told.add(element);
            break;
          }
        }
      }
    }
    for (const target of document.querySelectorAll('button, select, textarea, summary, a.button, nav a, input')) {
      const rect = target.getBoundingClientRect();
      if (rect.width === 0 || hidden(target)) continue;
      if (rect.width < 24 || rect.height < 24) faults.push(`${name(target)} is ${Math.round(rect.width)} × ${Math.round(rect.height)} px, smaller than 24 × 24`);
    }
    return faults;
  });
}

/** Whoever asked for less motion gets none. */
export function motion(page) {
  return page.evaluate(() => {
    const long = (times) => times.split(',').some((time) => (time.trim().endsWith('ms') ? parseFloat(time) : parseFloat(time) * 1000) > 10);
    const faults = [];
    for (const element of document.querySelectorAll('*')) {
      const style = getComputedStyle(element);
      if (style.animationName !== 'none' && long(style.animationDuration)) faults.push(`<${element.tagName.toLowerCase()} ${element.className}> moves: ${style.animationName}`);
      if (long(style.transitionDuration)) faults.push(`<${element.tagName.toLowerCase()} ${element.className}> moves over ${style.transitionDuration}`);
      if (style.scrollBehavior === 'smooth') faults.push(`<${element.tagName.toLowerCase()}> scrolls smoothly`);
    }
    for (const one of document.getAnimations()) if (one.playState === 'running') faults.push(`an animation runs: ${one.animationName ?? one.transitionProperty ?? one.id}`);
    return faults;
  });
}

/** Where is the focus, and does one see it? */
export function focus(page) {
  return page.evaluate(() => {
    const at = document.activeElement;
    if (!at || at === document.body) return { tag: 'body', name: '', testid: '', inDialog: false, faults: [] };
    const style = getComputedStyle(at);
    const rect = at.getBoundingClientRect();
    const says = (at.getAttribute('aria-label') ?? (at.labels?.[0]?.textContent || at.textContent) ?? '').trim().replace(/\s+/g, ' ').slice(0, 80);
    const faults = [];
    if ((style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 1) && style.boxShadow === 'none') faults.push(`the focus on <${at.tagName.toLowerCase()}> “${says}” can't be seen`);
    const points = [0.02, 0.5, 0.98].flatMap((x) => [0.05, 0.5, 0.95].map((y) => [rect.left + rect.width * x, rect.top + rect.height * y]));
    const free = points.some(([x, y]) => {
      const top = document.elementFromPoint(x, y);
      return top !== null && (at.contains(top) || top.contains(at) || top.closest('label')?.control === at);
    });
    if (!free) faults.push(`the focus on <${at.tagName.toLowerCase()}> “${says}” is covered or out of sight`);
    return { tag: at.tagName.toLowerCase(), name: says, testid: at.dataset.testid ?? '', inDialog: at.closest('dialog[open]') !== null, faults };
  });
}

/** Tab, until the focus is where `wanted` says; on the way each stop must be visible. */
export async function tabTo(page, what, wanted, most = TABS_MAX) {
  const faults = [];
  const passed = [];
  for (let n = 0; n < most; n += 1) {
    await page.keyboard.press('Tab');
    const at = await focus(page);
    faults.push(...at.faults);
    if (wanted(at)) {
      if (faults.length > 0) throw new Error(faults.join('\n'));
      return at;
    }
    passed.push(at.name || at.tag);
  }
  throw new Error(`${what} can't be reached within ${most} tabs; passed: ${passed.join(', ')}`);
}
/** A page on which more stops than these lie before what one needs isn't one for the keyboard. */
const TABS_MAX = 60;
