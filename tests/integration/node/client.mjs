// A client of typed-chat version 1, conformance levels `returner` and `member`; Node 20, no packages; plain TCP alone.
//
//   const chat = await Chat.connect({ host, port, nick, resume: true });   // comes back by itself
//   await chat.join('lobby');
//   await chat.say('lobby', 'Hello!');                              // -> the reply; a refusal is thrown
//   for await (const event of chat) console.log(describe(event));   // ends after `bye`
import net from 'node:net';
import { createPrivateKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';

const DEFAULT_LIMITS = { frame_to_server: 4096, frame_to_client: 1 << 20, history: 200 };
const ACTS = { kick: 'kicked', ban: 'banned', unban: 'unbanned', mute: 'muted', unmute: 'unmuted', promote: 'promoted', demote: 'demoted', invite: 'invited', mode: 'set' };
const COUNTED = new Set(['broadcast', 'whisper', 'topic', 'key', 'ignore', 'unignore', 'kick', 'ban', 'unban', 'mute', 'unmute',
  'promote', 'demote', 'mode', 'rename', 'lockdown']);   // as messages
const SHOWN = new Set(['join', 'leave', 'nick', 'broadcast', 'whisper', 'topic', 'notice', 'error', 'bye', ...Object.keys(ACTS),
  'away', 'back', 'gap', 'reset']);   // the last four are our own: see `class Chat`
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
    leave: `#${room} ${nick} ${['quit', 'lost', 'kicked', 'banned', 'switched'].includes(e.reason) ? e.reason : 'left'}`,
  };
  if (Object.hasOwn(ACTS, type)) {
    const whom = e.target ? ` ${e.target.nick}` : '', why = e.reason ? `: ${e.reason}` : '';
    return escape(`#${room} ${nick} ${ACTS[type]}${whom}${e.role ? ` to ${e.role}` : ''}${e.until ? ` until ${e.until}` : ''}${why}`);
  }
  return escape(Object.hasOwn(lines, type) ? lines[type] : `[${e.code ?? type}] ${e.message ?? ''}`);
}

// Besides what the server sends, a reader gets events of our own where `resume` was asked for:
//   away   the connection is lost, for the reason in `code`; we come back in `pause` milliseconds
//   back   here again; `resumed` as in the welcome
//   gap    in `room` the numbers after `after` and before `before` are gone for good
//   reset  forget what was shown of `room`; it stands at `head` in another epoch
export class Chat {
  welcome = null;            // the reply to hello
  user = null;               // who we are now
  bye = null;                // once it has ended: {code, message, reconnect, after?}
  cursors = new Map();       // conversation -> {seq, epoch}; the epoch of a whisper is unknown at first
  token = null;              // whoever has it is us
  #address; #socket; #timer; #pace; #returns;
  #limits = DEFAULT_LIMITS;
  #buffer = Buffer.alloc(0);
  #lastId = 0;
  #away = false;             // between a loss and the next welcome: requests wait
  #here = false;             // whether this connection is welcome
  #attempt = 0;              // tries since the last welcome
  #pending = new Map();      // id -> {type, fields, ours, resolve, reject, uid, kept}; in the order of asking
  #filling = new Map();      // conversation -> events that wait until its gap is filled
  #heads = new Map();        // conversation -> what its replay should lead up to
  #ready = [];               // events nobody has read yet
  #readers = [];             // who waits for an event
  #inside = new Set();       // the rooms we are in, by key
  #saying = Promise.resolve();   // the message before: each waits until it may be sent
  #budget = null;            // what may be said at once now, and since when

  /**
   * `resume: true` makes a Chat that outlives its connections; `resume: {token}`, with or without `cursors`, takes up
   * the stay of a program that ended. `pace`: milliseconds of the first pause. Without `resume`, `cursors` make
   * join bring what was missed. `login`: {nick, password}, sent with the first hello alone: the token does the rest.
   */
  static async connect({ host = '127.0.0.1', port = 5555, nick, cursors, login, resume = false, pace = 1000 } = {}) {
    const chat = new Chat(host, port, cursors);
    chat.token = resume?.token ?? null;
    chat.#pace = pace;
    try {
      await chat.#hello({ nick, login, resume: resume ? chat.#wish() : undefined });
      chat.#returns = !!resume;
    } catch (error) { chat.#drop(); throw error; }
    return chat;
  }

  constructor(host, port, cursors = new Map()) {
    for (const [room, cursor] of cursors) this.cursors.set(room, { ...cursor });
    this.#address = { host, port, noDelay: true };
    this.#open();
  }

  // --- requests --------------------------------------------------------------------------------
  nick(nick) { return this.request('nick', { nick }); }
  join(room, password) { return this.request('join', { room, password }); }
  leave(room) { return this.request('leave', { room }); }
  say(room, text, cid = randomUUID()) { return this.request('broadcast', { room, text, cid }); }
  whisper(to, text, cid = randomUUID()) { return this.request('whisper', { to, text, cid }); }
  topic(room, topic) { return this.request('topic', { room, topic }); }   // without topic: reads it
  rooms(after) { return this.request('rooms', { after }); }
  users(room, after) { return this.request('users', { room, after }); }
  history(room, { after, before, limit } = {}) { return this.request('history', { room, after, before, limit }); }
  search(text, { room, sender, before, limit } = {}) { return this.request('search', { text, room, sender, before, limit }); }
  register(password) { return this.request('register', { password }); }
  login(nick, password) { return this.request('login', { nick, password }); }
  logout() { return this.request('logout'); }
  ping() { return this.request('ping'); }
  quit() { return this.request('quit'); }

  /** Makes a key for the account we are logged in to; what is returned logs in: keep it where nobody else reads it. */
  async makeKey() {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    await this.request('key', { public: publicKey.export({ format: 'jwk' }).x });
    return privateKey.export({ format: 'pem', type: 'pkcs8' });
  }

  async loginByKey(nick, pem) {
    const { nonce } = await this.request('challenge');
    const text = ['typed-chat login', this.welcome.server, nick.toLowerCase(), nonce].join('\n');
    return this.request('login', { nick, signature: sign(null, Buffer.from(text, 'ascii'), createPrivateKey(pem)).toString('base64url') });
  }

  /** A message in its turn: when the bucket of `welcome.limits.messages` has what it costs, and the one before is sent. */
  #paced(type, fields) {
    const cost = 1 + Math.floor(Math.max(0, Buffer.byteLength(fields.text ?? '') - 1) / 1024);
    const turn = this.#saying.then(() => this.#afford(cost));
    this.#saying = turn;
    return turn.then(() => this.#ask(type, fields));
  }

  /** The server's bucket is emptier than ours: nothing is in it for so many seconds. */
  #owe(seconds) {
    const { per_second } = this.welcome?.limits?.messages ?? { per_second: 1 };
    this.#budget = { level: 1 - seconds * per_second, at: performance.now() };
  }

  async #afford(cost) {
    const rate = this.welcome?.limits?.messages;
    if (!rate) return;
    const level = () => Math.min(rate.burst, this.#budget.level + (performance.now() - this.#budget.at) * rate.per_second / 1000);
    this.#budget ??= { level: rate.burst, at: performance.now() };
    const wait = (Math.min(cost, rate.burst) - level()) / rate.per_second * 1000;
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait + 20));
    this.#budget = { level: Math.max(0, level() - cost), at: performance.now() };
  }

  /** Any request; resolves with its reply or rejects with a ChatError, whose `code` says why. */
  request(type, fields = {}, { paced = true } = {}) {
    return paced && COUNTED.has(type) ? this.#paced(type, fields) : this.#ask(type, fields);
  }

  #ask(type, fields, ours = false) {   // `ours` does not outlive the connection
    return new Promise((resolve, reject) => {
      if (this.bye) return reject(new ChatError(this.bye));
      const id = String(++this.#lastId);
      const size = Buffer.byteLength(JSON.stringify({ type, id, ...fields })), limit = this.#limits.frame_to_server;
      if (size > limit) return reject(new ChatError({ code: 'frame.too_large', message: 'Too much for one frame.', size, limit }));
      this.#pending.set(id, { type, fields, ours, resolve, reject });
      if (!this.#away || type === 'hello') this.#send(id);
    });
  }

  #send(id) {
    const asked = this.#pending.get(id);
    asked.uid = this.user?.uid;   // as whom we said it: a repetition is recognised by uid and cid
    this.sendRaw(JSON.stringify({ type: asked.type, id, ...asked.fields }));
  }

  /** A frame with any body. */
  sendRaw(body) {
    const frame = Buffer.from(`....${body}`);
    frame.writeUInt32BE(frame.length - 4);
    this.#socket?.write(frame);
  }

  /** Breaks the connection, as a network would; for tests. */
  cut() { this.#socket?.destroy(); }

  // --- frames ----------------------------------------------------------------------------------
  #open() {
    const socket = this.#socket = net.connect(this.#address);
    const current = (act) => (value) => { if (socket === this.#socket) act(value); };
    this.#buffer = Buffer.alloc(0);
    this.#here = false;
    this.#limits = DEFAULT_LIMITS;
    socket.on('data', current((bytes) => { this.#alive(); this.#receive(bytes); }));
    socket.on('error', current((error) => this.#lost(error.message)));
    socket.on('close', current(() => this.#lost('The server went away.')));
    this.#alive();
  }

  #receive(bytes) {
    const socket = this.#socket;
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    while (this.#buffer.length >= 4 && socket === this.#socket && !this.bye) {
      const size = this.#buffer.readUInt32BE();
      if (size > this.#limits.frame_to_client) return this.#lost(`The server announced ${size} bytes.`);
      if (this.#buffer.length < 4 + size) return;
      const body = this.#buffer.subarray(4, 4 + size);
      this.#buffer = this.#buffer.subarray(4 + size);
      if (size === 0) continue;   // a keep-alive
      let frame;
      try { frame = JSON.parse(body.toString()); } catch { /* no object */ }
      if (typeof frame?.type !== 'string') return this.#lost('The server sent something that is no frame.');
      if (frame.re !== undefined && frame.re !== null) this.#reply(frame); else this.#event(frame);
    }
  }

  #reply(frame) {
    const asked = this.#pending.get(frame.re);
    if (!asked) return;
    this.#pending.delete(frame.re);
    if (frame.type === 'error') {
      if (!/^rate\.(messages|joins|reads)$/.test(frame.code) || !frame.retry_after) return asked.reject(new ChatError(frame));
      this.#pending.set(frame.re, asked);                                // too fast: the same again, with the same cid
      const again = () => { if (this.#here && this.#pending.get(frame.re) === asked) this.#send(frame.re); };
      if (frame.code !== 'rate.messages') return setTimeout(again, frame.retry_after * 1000);
      this.#owe(frame.retry_after);
      this.#saying = this.#saying.then(() => this.#afford(1)).then(again);
      return;
    }
    if (frame.user && asked.type !== 'hello' && asked.type !== 'rename') this.#am(frame.user);
    if (frame.rooms && ['login', 'logout', 'register', 'unregister'].includes(asked.type)) this.#stay(frame.rooms);
    if (asked.type === 'hello') this.#welcomed(frame);
    if (asked.type === 'leave') this.#left(frame.room);
    if (asked.type === 'join') {
      this.#inside.add(key(frame.room));
      const { room, seq, epoch } = frame, known = this.cursors.get(key(room));
      if (known?.epoch !== epoch) this.cursors.set(key(room), { seq, epoch });
      else if (known.seq < seq && !this.#filling.has(key(room))) this.#fill(room);   // missed while away
    }
    asked.resolve(frame);
  }

  #event(frame) {
    if (frame.type === 'ping') return this.sendRaw('{"type":"pong"}');
    if (frame.type === 'bye') return this.#ended(frame);
    if (frame.type === 'notice' && frame.code === 'rate.messages') this.#owe(1);
    if (frame.type === 'replay') return this.#replay(frame);
    if (frame.type === 'leave' && frame.user.uid === this.user?.uid && frame.reason !== 'switched') this.#left(frame.room);
    if (typeof frame.room !== 'string' || !Number.isSafeInteger(frame.seq)) return this.#deliver(frame);
    // An act may concern us in a room that we are not in: it is told, and not counted.
    if (frame.type in ACTS && this.#here && !this.#inside.has(key(frame.room))) return this.#deliver(frame);
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

  #left(room) {
    this.#inside.delete(key(room));
    this.cursors.delete(key(room));
  }

  /** We are somebody, perhaps somebody else: the whispers of the other are not ours. */
  #am(user) {
    if (user.uid !== this.user.uid) for (const room of this.cursors.keys()) if (room.startsWith('dm:')) this.cursors.delete(room);
    this.user = user;
  }

  #stay(rooms) {
    const named = new Set(rooms.map(key));
    for (const room of [...this.#inside]) if (!named.has(room)) this.#left(room);
  }

  async #fill(room, ...waiting) {
    this.#filling.set(key(room), waiting);
    if (!this.#here) return;                                             // once we are welcome
    const cursor = this.cursors.get(key(room)), socket = this.#socket;
    try {
      for (let page = { more: true }; page.more;) {
        page = await this.#ask('history', { room, after: cursor.seq }, true);
        if (page.epoch !== (cursor.epoch ??= page.epoch)) {              // start over
          [cursor.seq, cursor.epoch, page.more] = [0, page.epoch, true];
          continue;
        }
        for (const event of page.events) { cursor.seq = event.seq; this.#deliver(event); }
        page.more &&= page.events.length > 0;
      }
    } catch { /* history is refused: what is missing stays missing */ }
    if (socket !== this.#socket || this.#away) return;                   // the next replay brings the rest
    this.#filling.delete(key(room));
    for (const event of waiting) {
      cursor.seq = Math.max(cursor.seq, event === waiting[0] ? event.seq - 1 : 0);   // never ask twice
      this.#event(event);
    }
  }

  // --- coming back -----------------------------------------------------------------------------
  #hello({ nick, login, resume }) {
    return this.#ask('hello', { version: 1, nick, client: 'stranger/1.0', login, resume }, true);
  }

  /** What hello says in `resume`. */
  #wish() {
    const rooms = {};
    for (const [room, { epoch, seq }] of this.cursors) if (epoch && Object.keys(rooms).length < 100) rooms[room] = [epoch, seq];
    const token = this.token ?? undefined;
    return Object.keys(rooms).length ? { token, rooms } : token ? { token } : true;
  }

  #replay({ room, state, epoch, after, head }) {
    if (state !== 'begin') {
      if ((this.cursors.get(key(room))?.seq ?? 0) < this.#heads.get(key(room))) this.#fill(room);
      return;
    }
    const cursor = this.cursors.get(key(room));
    this.#heads.set(key(room), head);
    if (!cursor) return this.cursors.set(key(room), { seq: after, epoch });
    if (epoch !== (cursor.epoch ??= epoch) || cursor.seq > head) {
      if (cursor.seq) this.#deliver({ type: 'reset', room, head });
      Object.assign(cursor, { seq: after, epoch });
    } else if (cursor.seq < after) {
      this.#deliver({ type: 'gap', room, after: cursor.seq, before: after + 1 });
      cursor.seq = after;
    }
  }

  #welcomed(frame) {
    const former = this.user?.uid;
    [this.welcome, this.user, this.#limits] = [frame, frame.user, { ...DEFAULT_LIMITS, ...frame.limits }];
    this.#attempt = 0;
    if (frame.resume) {
      const { token, everyone: [epoch, seq] } = frame.resume;
      this.token = token;
      if (!this.cursors.has('*')) this.cursors.set('*', { seq, epoch });
      this.#inside = new Set(frame.resume.rooms.map(key));
    }
    const returned = this.#away;
    this.#away = false;
    this.#here = true;
    for (const [room, waiting] of this.#filling) this.#fill(room, ...waiting);
    if (!returned) return;
    this.#deliver({ type: 'back', resumed: frame.resume?.resumed ?? frame.user.uid === former });
    this.#settle().catch(() => { /* lost again: the next welcome settles it */ });
  }

  /** What was asked and not answered: the same again as the same author, else only what was not kept. */
  async #settle() {
    const left = [...this.#pending].filter(([, asked]) => !asked.ours);
    const mine = ([, asked]) => !asked.uid || asked.uid === this.user.uid;
    if (!left.every(mine)) {
      for (const room of this.cursors.keys()) if (room.startsWith('dm:') && !room.split(':').includes(this.user.uid)) this.cursors.delete(room);
      while (this.#filling.size) await this.#ask('ping', {}, true);      // until all that was missed is here
    }
    for (const [id, asked] of left) {
      if (mine([id, asked])) { this.#send(id); continue; }
      if (!asked.kept && asked.type !== 'whisper') {
        if (asked.fields.cid) asked.fields.cid = randomUUID();
        this.#send(id);
        continue;
      }
      this.#pending.delete(id);
      if (asked.kept) asked.resolve({ type: 'ok', ...asked.kept, duplicate: true });
      else asked.reject(new ChatError({ code: 'connection.lost', message: 'Nobody knows whether it was kept.' }));
    }
  }

  async #return() {
    this.#open();
    const socket = this.#socket;
    try {
      await this.#hello({ nick: this.user.nick, resume: this.#wish() })
        .catch((error) => { if (!error.code?.startsWith('nick.')) throw error; return this.#hello({ resume: this.#wish() }); });
    } catch (error) { if (socket === this.#socket) this.#lost(error.message); }
  }

  // --- life and end ----------------------------------------------------------------------------
  #alive(asked = false) {   // silent for half of the time: ask; for all of it: give up
    clearTimeout(this.#timer);
    if (this.bye) return;
    this.#timer = setTimeout(() => {
      if (asked) return this.#lost('The server is silent.');
      this.#ask('ping', {}, true).catch(() => {});
      this.#alive(true);
    }, (this.welcome?.heartbeat.timeout ?? 75) * 500);
  }

  #lost(message) { this.#ended({ code: 'connection.lost', message, reconnect: 'later' }); }

  #ended(bye) {
    if (this.bye) return;
    const reconnect = ['now', 'later', 'never'].includes(bye.reconnect) ? bye.reconnect : 'later';
    const said = { ...bye, type: 'bye', reconnect };
    const quitting = [...this.#pending.values()].some(({ type }) => type === 'quit');
    if (!this.#returns || quitting || reconnect === 'never') return this.#end(said);
    this.#drop();
    this.#away = true;
    this.#filling.clear();
    for (const [id, asked] of this.#pending) if (asked.ours) { this.#pending.delete(id); asked.reject(new ChatError(said)); }
    const wait = pauseAfter(said, this.#attempt++, this.#pace);
    this.#deliver({ type: 'away', code: said.code, message: said.message, pause: wait });
    this.#timer = setTimeout(() => this.#return(), wait);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    clearTimeout(this.#timer);
    socket?.destroy();
  }

  #end(bye) {
    this.bye = bye;
    this.#drop();
    for (const { reject } of this.#pending.values()) reject(new ChatError(this.bye));
    this.#pending.clear();
    this.#deliver(this.bye);
  }

  /** Ends it here, without a word to the server. */
  close() { if (!this.bye) this.#end({ type: 'bye', code: 'client.closed', message: 'Closed here.', reconnect: 'never' }); }

  /** When to connect again: milliseconds to wait, or null for never. */
  pause(attempt = 0) { return pauseAfter(this.bye, attempt); }

  #deliver(event) {
    if (event.type === 'nick' && event.user.uid === this.user?.uid) this.user = event.user;
    if (event.cid) {
      for (const asked of this.#pending.values()) {
        if (asked.fields.cid === event.cid && asked.uid === event.user.uid) asked.kept = { room: event.room, seq: event.seq, ts: event.ts };
      }
    }
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

function pauseAfter({ reconnect, after }, attempt, pace = 1000) {
  if (reconnect === 'never') return null;
  if (attempt === 0 && reconnect === 'now') return 0;
  if (attempt === 0 && after) return after * 1000;
  return 2 ** Math.min(attempt, 6) * pace * (0.5 + 0.5 * Math.random());
}
