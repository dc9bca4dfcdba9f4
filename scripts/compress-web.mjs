// Puts a .br and a .gz beside each file of web/dist that gains by it, so that the server compresses
// nothing while it serves. Node's own zlib; no package.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const dist = process.argv[2] ?? 'web/dist';
const kinds = /\.(html|js|css|svg|json|txt|webmanifest)$/;

function files(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

for (const path of files(dist)) if (/\.(br|gz)$/.test(path)) rmSync(path);
for (const path of files(dist).filter((path) => kinds.test(path))) {
  const plain = readFileSync(path);
  const variants = {
    br: brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
    gz: gzipSync(plain, { level: 9 }),
  };
  for (const [ending, bytes] of Object.entries(variants)) {
    if (bytes.length < plain.length * 0.95) writeFileSync(`${path}.${ending}`, bytes);
  }
}
