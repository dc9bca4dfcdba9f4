// Runs before the first paint: a choice of theme that was kept wins over the system's.
try {
  const kept = localStorage.getItem('weir.theme');
  if (kept === 'light' || kept === 'dark') document.documentElement.dataset.theme = kept;
} catch {
  // Storage is forbidden here; the system's theme stays.
}
