import type { components } from '../api/schema';
export type WaitNode = components['schemas']['WaitNode'];
export type Holder = components['schemas']['Holder'];
