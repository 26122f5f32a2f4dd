import { isInvariant } from '../../src/errors.ts';
import { type Features, TooOldError } from '../../src/machines/index.ts';
import type { Identity } from '../../src/storage/storage.ts';
import type { DiskPlan } from './disk.ts';
import { SimDisk } from './disk.ts';
import {
  hostOf,
  type MemberSurroundings,
  type MemberTuning,
  type RunningMember,
  runMember,
} from './memberProcess.ts';
import type { SimNetwork } from './network.ts';
import type { Show } from './observer.ts';
import { type ClockPlan, SimProcess } from './process.ts';
import type { Random } from './random.ts';
import { describeSpoil, type Spoil, spoilsInUse } from './spoil.ts';
import type { MessageFaults } from './unreliableTransport.ts';
import type { World } from './world.ts';

/** As the member's own program has it. */
const HANDOVER_MS = 3_000;

export interface SlotOptions {
  readonly ordinal: number;
  readonly world: World;
  readonly random: Random;
  readonly network: SimNetwork;
  readonly clock: ClockPlan;
  readonly diskPlan: DiskPlan;
  readonly tuning: MemberTuning;
  /** Of the version that it begins with. */
  readonly features: Features;
  readonly messageFaults: MessageFaults;
  readonly show: Show;
  readonly durableOf: MemberSurroundings['durableOf'];
  readonly onVolume: MemberSurroundings['onVolume'];
  /** Id of the cluster that counts. */
  readonly currentCluster: () => string;
  /** A forced recovery: from here on the member goes on as a cluster of its own. */
  readonly onRecovered: (clusterId: string) => void;
  readonly note: (line: string) => void;
  /** Until a member that ended is started again. */
  readonly restartMs: readonly [from: number, to: number];
}

/** One position of the cluster: a machine, the volume in it, and the member's process on it, if it runs. */
export class MemberSlot {
  readonly ordinal: number;
  /** Of the version that its next process is. */
  features: Features;
  readonly #options: SlotOptions;
  #disk: SimDisk;
  #process: SimProcess | null = null;
  #running: RunningMember | null = null;
  #starts = 0;
  #volumes = 0;
  /** As of the last start; 0: never. */
  #memberId = 0;
  /** It is to run: whenever it ends, it is started again. */
  #wanted = false;
  #restartAtMs = Number.POSITIVE_INFINITY;
  /** Nobody starts it before this moment. */
  #downUntilMs = 0;
  /** Something on the volume was spoilt: that the member finds it damaged is right. */
  spoilt = false;
  /** What the machine's wall clock was set by, on top of its plan: it stays so when the process is another one. */
  #wallShiftMs = 0;
  /** As the last process had it. */
  #clusterId: string | null = null;

  constructor(options: SlotOptions) {
    this.ordinal = options.ordinal;
    this.features = options.features;
    this.#options = options;
    this.#disk = this.#newDisk();
  }

  get disk(): SimDisk {
    return this.#disk;
  }
  get process(): SimProcess | null {
    return this.#process?.alive === true ? this.#process : null;
  }
  /** Null while it starts or is down. */
  get running(): RunningMember | null {
    return this.#process?.alive === true ? this.#running : null;
  }
  get memberId(): number {
    return this.#memberId;
  }
  get wanted(): boolean {
    return this.#wanted;
  }
  get host(): string {
    return hostOf(this.ordinal);
  }

  want(): void {
    this.#wanted = true;
    if (this.process === null) this.#startAfter(0);
  }

  /** In order, for good, as a cluster does that is scaled down: its volume stays. */
  unwant(): void {
    this.#wanted = false;
    this.process?.die('scaled down');
  }

  /** Somebody sets the machine's wall clock. */
  shiftWall(byMs: number): void {
    this.#wallShiftMs += byMs;
    this.process?.shiftWall(byMs);
  }

  kill(why: string): void {
    this.process?.die(why);
  }

  /** In order, as at a rolling restart: leaderships are given away, and what is under way is answered. False: it did not run. */
  async restart(): Promise<boolean> {
    const { process } = this;
    const member = this.running?.member;
    if (process === null || member === undefined) return false;
    this.#options.note(`${this.host} is restarted`);
    await process.call(async () => {
      await member.handover(HANDOVER_MS);
      await member.stop();
    });
    process.die('stopped');
    return true;
  }

  /** The machine with all that is in its memory. */
  powerFailure(downMs: number): void {
    const { network, note } = this.#options;
    note(`${this.host} loses power for ${Math.round(downMs)} ms`);
    network.host(this.host).dark = true;
    this.stayDown(downMs);
    this.process?.die('power failure', true);
    this.#disk.powerFailure();
    this.#startAfter(downMs);
  }

  stayDown(ms: number): void {
    this.#downUntilMs = Math.max(this.#downUntilMs, this.#options.world.nowMs + ms);
  }

  comeBack(): void {
    this.#downUntilMs = 0;
    this.process?.resume();
    if (this.process === null) this.#startAfter(0);
  }

  /** The volume is gone with all that was on it, and there is an empty one in its place. */
  loseVolume(): void {
    const { note } = this.#options;
    note(`${this.host} loses its volume, member ${this.#memberId}`);
    this.process?.die('its volume is gone');
    // What was under way to it may still arrive there, and nobody will ever see it.
    this.#disk.log.detach();
    this.#lost();
    this.#disk = this.#newDisk();
    this.spoilt = false;
  }

  /** The id that was on the volume will not be seen again. */
  #lost(): void {
    if (this.#memberId !== 0) this.#options.show({ kind: 'volumeLost', member: this.#memberId });
    this.#memberId = 0;
  }

  #newDisk(): SimDisk {
    this.#volumes += 1;
    const { random, diskPlan } = this.#options;
    return new SimDisk(random.split(`disk ${this.ordinal}.${this.#volumes}`), diskPlan);
  }

  #startAfter(delayMs: number): void {
    const { world } = this.#options;
    const at = Math.max(world.nowMs + delayMs, this.#downUntilMs);
    if (at === Number.POSITIVE_INFINITY) return;
    this.#restartAtMs = at;
    world.at(at, () => {
      if (this.#restartAtMs !== at || this.process !== null || !this.#wanted) return;
      // Somebody keeps it down for longer by now.
      if (world.nowMs < this.#downUntilMs) this.#startAfter(0);
      else this.#start();
    });
  }

  #start(): void {
    const { world, random, network, clock, note, show, tuning, messageFaults, durableOf, onVolume } =
      this.#options;
    this.#starts += 1;
    network.host(this.host).dark = false;
    const process = new SimProcess(world, {
      name: this.host,
      random: random.split(`process ${this.ordinal}.${this.#starts}`),
      clock: { ...clock, wallOffsetMs: clock.wallOffsetMs + this.#wallShiftMs },
      onDeath: (why) => this.#died(process, why),
      onUncaught: (error) => world.fail(error),
    });
    this.#process = process;
    this.#running = null;
    this.#disk.beforeStart();
    const disk = this.#disk;
    const { features } = this;
    const wrong = spoilsInUse(disk);
    process.deliver('io', () => {
      runMember({
        ordinal: this.ordinal,
        process,
        disk,
        network,
        messageFaults,
        tuning,
        features,
        show,
        durableOf,
        onVolume,
        isForeign: (identity) => this.#isForeign(identity),
        onRestored: ({ memberId, clusterId }) => this.#restored(memberId, clusterId),
        onFatal: (error) => this.#fatal(process, error),
      }).then(
        (running) => {
          const { damage, self } = running.member;
          note(`${this.host} runs as ${self.id}${damage === null ? '' : `, damaged: ${damage}`}`);
          if (damage !== null && !this.spoilt) world.fail(new Error(`${this.host} is damaged: ${damage}`));
          this.#running = running;
          if (wrong.length > 0) this.#mustBeNoticed(wrong, damage !== null);
          if (damage !== null) return;
          // All of it was read, and nothing of what was spoilt was needed.
          if (this.#disk.failNext.read === 0) this.spoilt = false;
          if (this.#memberId !== self.id) this.#lost();
          this.#memberId = self.id;
        },
        (error: unknown) => this.#fatal(process, error),
      );
    });
  }

  /** A start reads all of the volume that counts: nothing of it may be wrong and pass for sound. */
  #mustBeNoticed(wrong: readonly Spoil[], noticed: boolean): void {
    const { note, world } = this.#options;
    const what = wrong.map(describeSpoil).join('; ');
    if (noticed) note(`${this.host} noticed what is spoilt: ${what}`);
    else world.fail(new Error(`${this.host} takes for sound what is spoilt: ${what}`));
  }

  #isForeign({ memberId, clusterId }: Identity): boolean {
    const current = this.#options.currentCluster();
    // A rotten identity may name another cluster as well.
    const survives = !this.spoilt && memberId === this.#memberId && this.#clusterId === current;
    return clusterId !== null && clusterId !== current && !survives;
  }

  #restored(memberId: number, clusterId: string | null): void {
    const before = this.#clusterId;
    const survives = !this.spoilt && memberId === this.#memberId && before !== null;
    if (survives && clusterId !== null && clusterId !== before) {
      this.#options.note(`${this.host} goes on as cluster ${clusterId}`);
      this.#options.show({ kind: 'recovered', member: memberId });
      this.#options.onRecovered(clusterId);
    }
    this.#clusterId = clusterId;
  }

  /** An error that came from the disk is a reason to end; anything else the member must not find of itself. */
  #fatal(process: SimProcess, error: unknown): void {
    // Whether its group may have been raised so far, a checker says.
    if (error instanceof TooOldError) {
      process.die(`too old: ${error.message}`);
      return;
    }
    if (isInvariant(error) || !this.#disk.hasCaused(error)) {
      this.#options.world.fail(error);
      return;
    }
    process.die(`fatal: ${error instanceof Error ? error.message : String(error)}`);
  }

  #died(process: SimProcess, why: string): void {
    const { show, note, random, restartMs } = this.#options;
    note(`${this.host} ended: ${why}`);
    if (this.#running !== null) {
      // It may have been admitted since it started.
      this.#clusterId = this.#running.member.clusterId;
      const closed = why === 'exit' || why === 'stopped';
      show({ kind: 'stopped', member: this.#running.member.self.id, why: closed ? 'closed' : 'crashed' });
    }
    this.#running = null;
    if (this.#process === process) this.#process = null;
    if (this.#wanted) this.#startAfter(random.between(...restartMs));
  }
}
