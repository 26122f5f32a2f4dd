import { Op } from '@synccluster/client/protocol';
import { FEATURES, type Features } from '../../src/machines/index.ts';

/*
 * Two versions of the same code, one after the other: what they understand differs in one operation, which clients use
 * whether it is served or not.
 */
const GATED = Op.QueueExtend;
const NEXT_LEVEL = FEATURES.level + 1;

export const PREVIOUS: Features = {
  level: FEATURES.level,
  since: new Map([...FEATURES.since].filter(([op]) => op !== GATED)),
};

export const NEXT: Features = { level: NEXT_LEVEL, since: new Map([...FEATURES.since, [GATED, NEXT_LEVEL]]) };
