/** What was just done, said once, with the way back where there is one. */
import type { Act } from './acts/acts';

export interface Toast {
  id: number;
  says: string;
  undo?: Act | undefined;
}

/** More than these would cover the page; the oldest go. */
const TOASTS_MAX = 4;

class Toasts {
  all = $state.raw<readonly Toast[]>([]);
  #next = 1;

  say(says: string, undo?: Act): void {
    const toast = { id: this.#next++, says, undo };
    this.all = [...this.all, toast].slice(-TOASTS_MAX);
    // Where there is something to press it stays until it is put away (WCAG 2.2.1).
    if (!undo) setTimeout(() => this.drop(toast.id), 8_000);
  }

  drop(id: number): void {
    this.all = this.all.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
