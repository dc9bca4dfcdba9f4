import { mount } from 'svelte';
import App from './App.svelte';
import { live } from './live/live.svelte';
import { router } from './route/router.svelte';

const target = document.getElementById('app');
if (target) {
  target.replaceChildren();
  router.start();
  live.start();
  mount(App, { target });
}
