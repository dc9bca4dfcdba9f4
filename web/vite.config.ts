import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

/** Puts `src/theme.js` into the head as a file of its own: it must run before the first paint, so
 * it can't be a module, and the Content-Security-Policy forbids it inside the page. */
function theme(): Plugin {
  const source = readFileSync(new URL('./src/theme.js', import.meta.url), 'utf8');
  let dev = false;
  const name = `assets/theme-${createHash('sha256').update(source).digest('base64url').slice(0, 8)}.js`;
  return {
    name: 'weir-theme',
    configResolved(config) {
      dev = config.command === 'serve';
    },
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: name, source });
    },
    transformIndexHtml: {
      order: 'post',
      handler: (html) =>
        html.replace(/<!-- theme\.js[^>]*-->/, `<script src="/${dev ? 'src/theme.js' : name}"></script>`),
    },
  };
}

/** Where a Weir answers while one works on the pages: `WEIR_API=http://127.0.0.1:6433 npm run dev`. */
const api = process.env.WEIR_API ?? 'http://127.0.0.1:6433';

export default defineConfig({
  plugins: [svelte(), theme()],
  build: {
    target: 'es2022',
    // `img-src 'self'` forbids data URLs, so nothing is put into the code.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    cssCodeSplit: true,
  },
  server: {
    proxy: {
      '/api': { target: api, headers: { origin: api }, changeOrigin: true },
      '/openapi.json': { target: api, changeOrigin: true },
      '/metrics': { target: api, changeOrigin: true },
    },
  },
});
