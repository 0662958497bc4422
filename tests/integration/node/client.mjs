// A client of typed-chat version 1, conformance level `keeper`; Node 20, no packages.
//
//   const chat = await Chat.connect({ host, port, nick });
//   await chat.join('lobby');
//   await chat.say('lobby', 'Hello!');                              // -> the reply; a refusal is thrown
//   for await (const event of chat) console.log(describe(event));   // ends after `bye`
import net from 'node:net';
import { randomUUID } from 'node:crypto';

const DEFAULT_LIMITS = { frame_to_server: 4096, frame_to_client: 1 << 20, history: 200 };
const SHOWN = new Set(['join', 'leave', 'nick', 'broadcast', 'whisper', 'topic', 'notice', 'error', 'bye']);
const key = (room) => room.toLowerCase();

export class ChatError extends Error {
  constructor({ message, ...rest }) { super(escape(message ?? rest.code)); Object.assign(this, rest); }
}

/** Makes remote text harmless: C0 (newline and tab too), DEL, C1, separators, bidirectional controls. */
export function escape(text) {
  const bad = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/gu;
  return String(text).replace(bad, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}

/** One event as one line that is safe to show. */
export function describe({ type, room = '', user, ...e }) {
  const nick = user?.nick, me = e.text?.startsWith('/me ');
  const said = me ? `* ${nick} ${e.text?.slice(4)}` : `<${nick}> ${e.text}`;
  const lines = {
    broadcast: `#${room} ${said}`, whisper: `@${e.to?.nick} ${said}`, topic: `#${room} ${nick} set: ${e.topic}`,
    join: `#${room} ${nick} joined`, nick: `${e.old} is now ${nick}`,
    leave: `#${room} ${nick} ${['quit', 'lost'].includes(e.reason) ? e.reason : 'left'}`,
  };
  return escape(Object.hasOwn(lines, type) ? lines[type] : `[${e.code ?? type}] ${e.message ?? ''}`);
}

export class Chat {
  welcome = null;            // the reply to hello
  user = null;               // who we are now
  bye = null;                // once it has ended: {code, message, reconnect, after?}
  cursors = new Map();       // conversation -> {seq, epoch}
  #socket; #timer;
  #limits = DEFAULT_LIMITS;
  #buffer = Buffer.alloc(0);
  #lastId = 0;
  #pending = new Map();      // id -> {type, resolve, reject}
  #filling = new Map();      // conversation -> events that wait until its gap is filled
  #ready = [];               // events nobody has read yet
  #readers = [];             // who waits for an event

  /** To come back after a loss, pass the `cursors` of the old Chat: join then brings what was missed. */
  static async connect({ host = '127.0.0.1', port = 5555, nick, cursors } = {}) {
    const chat = new Chat(host, port, cursors);
    try {
      await chat.request('hello', { version: 1, nick, client: 'stranger/1.0' });
    } catch (error) { chat.#socket.destroy(); throw error; }
    return chat;
  }

  constructor(host, port, cursors = new Map()) {
    for (const [room, cursor] of cursors) this.cursors.set(room, { ...cursor });
    this.#socket = net.connect({ host, port, noDelay: true });
    this.#socket.on('data', (bytes) => { this.#alive(); this.#receive(bytes); });
    this.#socket.on('error', (error) => this.#fail(error.message));
    this.#socket.on('close', () => this.#fail('The server went away.'));
    this.#alive();
  }

  // --- requests --------------------------------------------------------------------------------
  nick(nick) { return this.request('nick', { nick }); }
  join(room) { return this.request('join', { room }); }
  leave(room) { return this.request('leave', { room }); }
  say(room, text, cid = randomUUID()) { return this.request('broadcast', { room, text, cid }); }
  whisper(to, text, cid = randomUUID()) { return this.request('whisper', { to, text, cid }); }
  topic(room, topic) { return this.request('topic', { room, topic }); }   // without topic: reads it
  rooms(after) { return this.request('rooms', { after }); }
  users(room, after) { return this.request('users', { room, after }); }
  history(room, { after, before, limit } = {}) { return this.request('history', { room, after, before, limit }); }
  ping() { return this.request('ping'); }
  quit() { return this.request('quit'); }

  /** Any request; resolves with its reply or rejects with a ChatError, whose `code` says why. */
  request(type, fields = {}) {
    return new Promise((resolve, reject) => {
      if (this.bye) return reject(new ChatError(this.bye));
      const id = String(++this.#lastId);
      const body = JSON.stringify({ type, id, ...fields });
      const size = Buffer.byteLength(body), limit = this.#limits.frame_to_server;
      if (size > limit) return reject(new ChatError({ code: 'frame.too_large', message: 'Too much for one frame.', size, limit }));
      this.#pending.set(id, { type, resolve, reject });
      this.sendRaw(body);
    });
  }

  /** A frame with any body. */
  sendRaw(body) {
    const frame = Buffer.from(`....${body}`);
    frame.writeUInt32BE(frame.length - 4);
    this.#socket.write(frame);
  }

  // --- frames ----------------------------------------------------------------------------------
  #receive(bytes) {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    while (this.#buffer.length >= 4 && !this.bye) {
      const size = this.#buffer.readUInt32BE();
      if (size > this.#limits.frame_to_client) return this.#fail(`The server announced ${size} bytes.`);
      if (this.#buffer.length < 4 + size) return;
      const body = this.#buffer.subarray(4, 4 + size);
      this.#buffer = this.#buffer.subarray(4 + size);
      if (size === 0) continue;   // a keep-alive
      let frame;
      try { frame = JSON.parse(body.toString()); } catch { /* no object */ }
      if (typeof frame?.type !== 'string') return this.#fail('The server sent something that is no frame.');
      if (frame.re !== undefined && frame.re !== null) this.#reply(frame); else this.#event(frame);
    }
  }

  #reply(frame) {
    const asked = this.#pending.get(frame.re);
    if (!asked) return;
    this.#pending.delete(frame.re);
    if (frame.type === 'error') return asked.reject(new ChatError(frame));
    if (asked.type === 'hello') {
      [this.welcome, this.user, this.#limits] = [frame, frame.user, { ...DEFAULT_LIMITS, ...frame.limits }];
    }
    if (asked.type === 'leave') this.cursors.delete(key(frame.room));
    if (asked.type === 'join') {
      const { room, seq, epoch } = frame, known = this.cursors.get(key(room));
      if (known?.epoch !== epoch) this.cursors.set(key(room), { seq, epoch });
      else if (known.seq < seq && !this.#filling.has(key(room))) this.#fill(room);   // missed while away
    }
    asked.resolve(frame);
  }

  #event(frame) {
    if (frame.type === 'ping') return this.sendRaw('{"type":"pong"}');
    if (frame.type === 'bye') return this.#end(frame);
    if (typeof frame.room !== 'string' || !Number.isSafeInteger(frame.seq)) return this.#deliver(frame);
    const waiting = this.#filling.get(key(frame.room));
    if (waiting) return waiting.push(frame);
    // No join reply gives a cursor for whispers, which begin with 1, nor for `*`, of which we take what comes.
    const cursor = this.cursors.get(key(frame.room)) ?? { seq: frame.room.startsWith('dm:') ? 0 : frame.seq - 1 };
    this.cursors.set(key(frame.room), cursor);
    if (frame.seq <= cursor.seq) return;                                 // a repeat
    if (frame.seq > cursor.seq + 1) return this.#fill(frame.room, frame);   // a gap
    cursor.seq = frame.seq;
    this.#deliver(frame);
  }

  async #fill(room, ...waiting) {
    this.#filling.set(key(room), waiting);
    const cursor = this.cursors.get(key(room));
    try {
      for (let page = { more: true }; page.more;) {
        page = await this.history(room, { after: cursor.seq });
        if (page.epoch !== (cursor.epoch ??= page.epoch)) {              // start over
          [cursor.seq, cursor.epoch, page.more] = [0, page.epoch, true];
          continue;
        }
        for (const event of page.events) { cursor.seq = event.seq; this.#deliver(event); }
        page.more &&= page.events.length > 0;
      }
    } catch { /* history is refused or the connection is gone: what is missing stays missing */ }
    this.#filling.delete(key(room));
    for (const event of waiting) {
      cursor.seq = Math.max(cursor.seq, event === waiting[0] ? event.seq - 1 : 0);   // never ask twice
      this.#event(event);
    }
  }

  // --- life and end ----------------------------------------------------------------------------
  #alive(asked = false) {   // silent for half of the time: ask; for all of it: give up
    clearTimeout(this.#timer);
    if (this.bye) return;
    this.#timer = setTimeout(() => {
      if (asked) return this.#fail('The server is silent.');
      this.ping().catch(() => {});
      this.#alive(true);
    }, (this.welcome?.heartbeat.timeout ?? 75) * 500);
  }

  #fail(message) { this.#end({ code: 'connection.lost', message, reconnect: 'later' }); }

  #end(bye) {
    if (this.bye) return;
    const reconnect = ['now', 'later', 'never'].includes(bye.reconnect) ? bye.reconnect : 'later';
    this.bye = { ...bye, type: 'bye', reconnect };
    clearTimeout(this.#timer);
    this.#socket.destroy();
    for (const { reject } of this.#pending.values()) reject(new ChatError(this.bye));
    this.#pending.clear();
    this.#deliver(this.bye);
  }

  /** When to connect again: milliseconds to wait, or null for never. */
  pause(attempt = 0) {
    const { reconnect, after } = this.bye;
    if (reconnect === 'never') return null;
    return reconnect === 'now' ? 0 : after ? after * 1000 : 2 ** Math.min(attempt, 6) * (500 + 500 * Math.random());
  }

  #deliver(event) {
    if (event.type === 'nick' && event.user.uid === this.user?.uid) this.user = event.user;
    if (!SHOWN.has(event.type)) return;
    this.#ready.push(event);
    for (const wake of this.#readers.splice(0)) wake();
  }

  /** The events that have arrived and nobody has read. */
  take() { return this.#ready.splice(0); }

  async *[Symbol.asyncIterator]() {
    while (this.#ready.length || !this.bye) {
      if (this.#ready.length) yield this.#ready.shift();
      else await new Promise((resolve) => this.#readers.push(resolve));
    }
  }
}
