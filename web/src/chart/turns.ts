/**
 * Charts are made one a frame: six at once would keep the page from answering for longer than a
 * person notices (50 ms).
 */
const queue: (() => void)[] = [];
let running = false;

function next(): void {
  const job = queue.shift();
  if (!job) {
    running = false;
    return;
  }
  job();
  requestAnimationFrame(next);
}

/** Runs `job` when its turn comes; gives what calls it off. */
export function inTurn(job: () => void): () => void {
  queue.push(job);
  if (!running) {
    running = true;
    requestAnimationFrame(next);
  }
  return () => {
    const place = queue.indexOf(job);
    if (place >= 0) queue.splice(place, 1);
  };
}
