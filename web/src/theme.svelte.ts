/** Light or dark: the system's, until somebody chose. */

export type Choice = 'auto' | 'light' | 'dark';
const KEY = 'weir.theme';

function kept(): Choice {
  const value = document.documentElement.dataset.theme;
  return value === 'light' || value === 'dark' ? value : 'auto';
}

class Theme {
  choice = $state<Choice>(kept());
  #system = matchMedia('(prefers-color-scheme: dark)');
  #dark = $state(this.#system.matches);
  shown = $derived(this.choice === 'auto' ? (this.#dark ? 'dark' : 'light') : this.choice);

  constructor() {
    this.#system.addEventListener('change', () => (this.#dark = this.#system.matches));
  }

  next(): void {
    const order: Choice[] = ['auto', 'light', 'dark'];
    this.set(order[(order.indexOf(this.choice) + 1) % order.length] ?? 'auto');
  }

  set(choice: Choice): void {
    this.choice = choice;
    if (choice === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
    try {
      if (choice === 'auto') localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, choice);
    } catch {
      // Not kept, then.
    }
  }
}

export const theme = new Theme();
