/** Whether single keys do anything: who dictates, or leans on a keyboard, can turn them off. */

const KEY = 'weir.keys';

function kept(): boolean {
  try {
    return localStorage.getItem(KEY) === 'off';
  } catch {
    return false;
  }
}

class KeysKept {
  off = $state(kept());

  set(off: boolean): void {
    this.off = off;
    try {
      if (off) localStorage.setItem(KEY, 'off');
      else localStorage.removeItem(KEY);
    } catch {
      // Not kept, then.
    }
  }
}

export const keysKept = new KeysKept();
