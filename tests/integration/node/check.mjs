// node check.mjs PORT: a conversation of three against a running server, then the rest against a small fake one.
import assert from 'node:assert/strict';
import net from 'node:net';
import { Chat, describe, escape } from './client.mjs';

const port = Number(process.argv[2]);
let passed = 0, failed = 0;
async function check(name, body) {
  try { await body(); passed++; console.log(`ok    ${name}`); }
  catch (error) { failed++; console.log(`FAIL  ${name}: ${error.stack}`); }
}
const refused = (promise, code, fields = {}) => assert.rejects(promise, (error) => {
  assert.ok(error instanceof Error);
  assert.equal(error.code, code);
  for (const [name, value] of Object.entries(fields)) assert.deepEqual(error[name], value, name);
  return true;
});
const barrier = async (...chats) => { for (const chat of chats) await chat.ping(); };
const types = (events) => events.map((event) => event.type);
const rest = async (chat) => { const all = []; for await (const event of chat) all.push(event); return all; };

const tag = process.pid.toString(36) + Date.now().toString(36);   // own names: the server may be in use
const room = `Room-${tag}`, other = `other-${tag}`, A = `Alice-${tag}`, B = `bob-${tag}`;
let alice, bob, guest;

await check('hello, and a nick for guests', async () => {
  alice = await Chat.connect({ port, nick: A });
  bob = await Chat.connect({ port, nick: B });
  guest = await Chat.connect({ port });
  assert.equal(alice.user.nick, A);
  assert.match(guest.user.nick, /^guest_\d+$/);
  assert.equal(alice.welcome.version, 1);
});
await check('a nick is taken in any case', async () => {
  await refused(Chat.connect({ port, nick: A.toUpperCase() }), 'nick.taken', { fatal: false });
  await refused(bob.nick(A.toLowerCase()), 'nick.taken', { field: 'nick' });
  await refused(bob.nick('Server'), 'nick.reserved');
  await refused(bob.nick('no blanks'), 'nick.invalid');
});
await check('after a refused hello, hello again', async () => {
  const chat = new Chat('127.0.0.1', port);
  await refused(chat.request('hello', { nick: A }), 'nick.taken');
  await refused(chat.rooms(), 'protocol.hello_required');
  await chat.request('hello');
  await refused(chat.request('hello'), 'protocol.already_welcome');
  await chat.quit();
});
await check('join, and a room has one name in any case', async () => {
  const first = await alice.join(room);
  assert.deepEqual([first.room, first.seq, first.topic, first.count], [room, 0, '', 1]);
  const second = await bob.join(room.toUpperCase());
  assert.equal(second.room, room);
  assert.deepEqual(second.members.map((user) => user.uid), [alice.user.uid, bob.user.uid]);
  assert.equal((await guest.join(room)).count, 3);
  await barrier(alice);
  assert.deepEqual(alice.take().map((event) => event.user.nick), [A, B, guest.user.nick]);
  assert.equal((await bob.join(room)).count, 3);   // no fault, and nobody hears of it
  await barrier(alice, bob, guest);
  assert.deepEqual(types(alice.take()), []);
  bob.take(); guest.take();
});
await check('say: everybody gets the same event, the author before the reply', async () => {
  const reply = await alice.say(room.toLowerCase(), 'Hello, 😀\n', 'c1');
  assert.equal(reply.seq, 1);
  const [mine] = alice.take();
  assert.deepEqual([mine.room, mine.text, mine.cid, mine.ts], [room, 'Hello, 😀\n', 'c1', reply.ts]);
  await barrier(bob, guest);
  assert.deepEqual(bob.take(), [mine]);
  assert.deepEqual(guest.take(), [mine]);
});
await check('whisper: both get it, nobody else', async () => {
  const reply = await alice.whisper(B.toUpperCase(), 'psst');
  assert.equal(reply.room, `dm:${[alice.user.uid, bob.user.uid].sort().join(':')}`);
  await barrier(bob, guest);
  const [event] = bob.take();
  assert.deepEqual([event.type, event.text, event.seq, event.to.uid], ['whisper', 'psst', 1, bob.user.uid]);
  assert.deepEqual(alice.take(), [event]);
  assert.deepEqual(guest.take(), []);
  assert.deepEqual((await bob.history(reply.room)).events, [event]);
  await refused(guest.history(reply.room), 'room.not_member');
});
await check('rename: heard once, the uid stays', async () => {
  const { uid } = bob.user;
  await bob.join(other); await alice.join(other);
  await barrier(bob); alice.take(); bob.take();
  assert.equal((await bob.nick(`Rob-${tag}`)).user.uid, uid);
  assert.equal(bob.user.nick, `Rob-${tag}`);
  await barrier(alice);
  assert.deepEqual(alice.take().map((e) => [e.type, e.old, e.user.nick, e.user.uid]), [['nick', B, `Rob-${tag}`, uid]]);
  await refused(alice.whisper(B, 'gone'), 'user.offline');
  await barrier(guest);
  assert.deepEqual(types(guest.take()), ['nick']);
});
await check('topic: set, read, clear', async () => {
  assert.equal((await alice.topic(room, 'release day')).topic, 'release day');
  assert.equal((await guest.topic(room)).topic, 'release day');
  assert.deepEqual(guest.take().map((e) => [e.type, e.seq, e.topic]), [['topic', 2, 'release day']]);
});
await check('rooms and users, page by page', async () => {
  const all = [];
  for (let page = { more: true }, after; page.more; after = page.rooms.at(-1)?.room) all.push(...(page = await alice.rooms(after)).rooms);
  assert.deepEqual(all.find((r) => r.room === room), { room, topic: 'release day', count: 3 });
  const here = await alice.users(room);
  assert.equal(here.count, 3);
  assert.deepEqual(here.users.map((u) => u.uid).sort(), [alice, bob, guest].map((c) => c.user.uid).sort());
  assert.equal((await alice.users(room, here.users[1].nick)).users.length, 1);
  assert.ok((await alice.users()).count >= 3);
});
await check('history: forward, backward, the ends', async () => {
  for (let n = 3; n <= 7; n++) await alice.say(room, `text ${n}`);
  const forward = [], backward = [];
  for (let page = { more: true }, after = 0; page.more; after = forward.at(-1).seq) forward.push(...(page = await bob.history(room, { after, limit: 3 })).events);
  for (let page = { more: true }, before; page.more; before = backward[0].seq) backward.unshift(...(page = await bob.history(room, { before, limit: 3 })).events);
  assert.deepEqual(forward.map((e) => e.seq), [1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(backward, forward);
  const beyond = await bob.history(room, { after: 7 });
  assert.deepEqual([beyond.events, beyond.more, beyond.head, beyond.oldest], [[], false, 7, 1]);
  await barrier(guest);
  assert.deepEqual(guest.take(), forward.slice(2));   // what was sent at first
});
await check('refusals', async () => {
  await refused(alice.say(room, ''), 'message.empty');
  await refused(alice.say(room, 'x'.repeat(4001)), 'message.too_long', { limit: 4000, size: 4001, field: 'text' });
  await refused(alice.say(room, 'bell\u0007'), 'message.invalid');
  await refused(alice.say('#dev', 'x'), 'room.invalid');
  await refused(alice.say(`none-${tag}`, 'x'), 'room.not_member');
  await refused(alice.say('*', 'x'), 'permission.denied');
  await refused(alice.whisper(A, 'x'), 'user.self');
  await refused(alice.whisper('a b', 'x'), 'nick.invalid');
  await refused(alice.history(room, { after: 1, before: 5 }), 'history.range');
  await refused(alice.history(room, { limit: 0 }), 'field.invalid', { field: 'limit' });
  await refused(alice.request('join'), 'field.missing', { field: 'room', retryable: false });
});
await check('a request of unknown type', async () => {
  await refused(alice.request('x-example.org/dance'), 'type.unknown', { fatal: false });
});
await check('unknown fields are named', async () => {
  assert.deepEqual((await alice.request('ping', { colour: 'red', size: 3 })).ignored, ['colour', 'size']);
});
await check('a request without id, and a keep-alive, get no reply', async () => {
  await barrier(alice); alice.take();
  alice.sendRaw('');
  alice.sendRaw('{"type":"ping"}');
  alice.sendRaw(JSON.stringify({ type: 'leave', room: `none-${tag}` }));
  await barrier(alice);
  assert.deepEqual(alice.take().map((e) => [e.type, e.code, e.re]), [['error', 'room.not_member', undefined]]);
});
await check('cursors: a gap is filled, repeats are dropped', async () => {
  await barrier(bob, guest); bob.take(); guest.take();
  bob.cursors.get(room.toLowerCase()).seq = 4;       // as if 5, 6 and 7 had been lost
  guest.cursors.get(room.toLowerCase()).seq = 8;     // as if 8 had been here
  await alice.say(room, 'text 8');
  const seen = [];
  for await (const event of bob) { seen.push(event.seq); if (event.seq === 8) break; }
  assert.deepEqual(seen, [5, 6, 7, 8]);
  await barrier(guest);
  assert.deepEqual(guest.take(), []);
});
await check('leave', async () => {
  await barrier(bob, alice); bob.take(); alice.take();
  assert.equal((await alice.leave(room)).room, room);
  assert.deepEqual(alice.take().filter((e) => e.type !== 'promote').map((e) => [e.type, e.reason]), [['leave', 'left']]);
  await barrier(bob);
  assert.deepEqual(bob.take().map((e) => [e.type, e.user.uid, e.reason ?? e.role]), [['leave', alice.user.uid, 'left'], ['promote', bob.user.uid, 'owner']]);
  await refused(alice.leave(room), 'room.not_member');
  await refused(alice.history(room), 'room.not_member');
});
await check('a frame over the limit ends the connection', async () => {
  await refused(guest.say(room, 'x'.repeat(70000)), 'frame.too_large');   // our own refusal: nothing is sent
  await barrier(guest); guest.take();
  guest.sendRaw('x'.repeat(guest.welcome.limits.frame_to_server + 1));
  const events = await rest(guest);
  assert.deepEqual(events.map((e) => [e.type, e.code]), [['error', 'frame.too_large'], ['bye', 'frame.too_large']]);
  assert.equal(guest.bye.reconnect, 'never');
  assert.equal(guest.pause(), null);
  await refused(guest.ping(), 'frame.too_large');
  const gone = (await bob[Symbol.asyncIterator]().next()).value;
  assert.deepEqual([gone.type, gone.user.uid, gone.reason], ['leave', guest.user.uid, 'lost']);
});
await check('another version is refused', async () => {
  const chat = new Chat('127.0.0.1', port);
  await refused(chat.request('hello', { version: 2 }), 'protocol.version', { fatal: true, versions: [1, 1] });
  assert.equal((await rest(chat)).at(-1).code, 'protocol.version');
});
await check('coming back with cursors brings what was missed', async () => {
  const again = await Chat.connect({ port, cursors: new Map([[room.toLowerCase(), { ...bob.cursors.get(room.toLowerCase()), seq: 6 }]]) });
  await again.join(room);
  const seen = [];
  for await (const event of again) if (event.seq && seen.push(event.seq) === 2) break;
  assert.deepEqual(seen, [7, 8]);
  await again.quit();
});
await check('quit and bye', async () => {
  await bob.quit();
  const events = await rest(bob);
  assert.deepEqual([events.at(-1).type, bob.bye.code, bob.bye.reconnect], ['bye', 'client.quit', 'never']);
  await barrier(alice);
  assert.deepEqual(alice.take().map((e) => [e.type, e.reason ?? e.role, e.room]), [['leave', 'quit', other], ['promote', 'owner', other]]);
  await alice.quit();
  await rest(alice);
});
await check('a hostile text is escaped', async () => {
  const event = { type: 'broadcast', room: 'dev', seq: 1, user: { nick: 'eve\u001b[2J' }, text: 'a\u202eb\u009bc\n' };
  assert.equal(describe(event), '#dev <eve\\u001b[2J> a\\u202eb\\u009bc\\u000a');
  assert.equal(describe({ type: 'broadcast', room: 'dev', user: { nick: 'al' }, text: '/me waves' }), '#dev * al waves');
  assert.equal(escape('grüß 😀'), 'grüß 😀');
});
// --- against a fake server: `answers(n)` says how its connection number n answers each type of request
async function fake(answers) {
  let count = 0;
  const sockets = new Set();
  const server = net.createServer((socket) => {
    let buffer = Buffer.alloc(0);
    sockets.add(socket);
    const send = (...frames) => {   // byte by byte, and a keep-alive after each
      for (const frame of frames) {
        const bytes = Buffer.from(`....${JSON.stringify(frame)}....`);
        bytes.writeUInt32BE(bytes.length - 8); bytes.writeUInt32BE(0, bytes.length - 4);
        for (const byte of bytes) socket.write(Buffer.from([byte]));
      }
    };
    const answer = answers(++count, send, () => socket.destroy());
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      buffer = Buffer.concat([buffer, bytes]);
      while (buffer.length >= 4 && buffer.length >= 4 + buffer.readUInt32BE()) {
        const end = 4 + buffer.readUInt32BE(), frame = JSON.parse(buffer.subarray(4, end));
        buffer = buffer.subarray(end);
        answer[frame.type](frame.id, frame);
      }
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => { for (const socket of sockets) socket.destroy(); return new Promise((resolve) => server.close(resolve)); };
  return { port: server.address().port, close };
}
const someone = (uid) => ({ uid, nick: uid, registered: false, bot: false });
const said = (room, seq, fields) => ({ type: 'broadcast', room, seq, user: someone('u2'), text: `${seq}`, colour: 'red', ...fields });
const welcome = (re, uid, resume) => ({
  type: 'welcome', re, version: 1, level: 9, user: someone(uid), limits: {}, heartbeat: { interval: 30, timeout: 75 }, resume,
});
const resume = (token, resumed) => ({ token, seconds: 120, resumed, rooms: [], everyone: ['e', 0], mood: 'good' });
const begin = (room, epoch, after, to, head, complete) => ({ type: 'replay', room, state: 'begin', epoch, after, to, head, complete });
const end = (room, state = 'end') => ({ type: 'replay', room, state });
const joined = (re, room, epoch, seq) => ({ type: 'ok', re, room, epoch, seq });
const until = async (chat, wanted) => {
  const all = [];
  for await (const event of chat) { all.push(event); if (wanted(event)) break; }
  return all;
};
const brief = ({ type, room, seq, head, after, resumed }) => [type, room ?? resumed, seq ?? head ?? after].filter((x) => x !== undefined).join(' ');

await check('what no server of level 1 does: fake pings, unknown things, split frames, a gap, bye', async () => {
  const pongs = [];
  const server = await fake((n, send) => ({
    hello: (re) => send(welcome(re, 'u1')),
    join: (re) => send(joined(re, 'dev', 'e', 1)),
    pong: () => pongs.push(1),
    history: (re, { after }) => send({ type: 'ok', re, room: 'dev', epoch: 'e', oldest: 1, head: 5, more: after < 4, events: [said('dev', after + 1)] }),
    ping: (re) => send({ type: 'ping', ts: '' }, { type: 'dance', room: 'dev', seq: 2 }, said('dev', 3), said('dev', 3), { type: 'wink' },
      said('dev', 6), said('dev', 7), { type: 'ok', re, mood: 'good' }),
    quit: (re) => send({ type: 'ok', re }, { type: 'bye', code: 'x.y', message: '', reconnect: 'sometimes', after: 5 }),
  }));
  const chat = await Chat.connect({ port: server.port });
  await chat.join('dev');
  await chat.ping();
  assert.deepEqual((await until(chat, (e) => e.seq === 7)).map((e) => e.seq), [3, 4, 5, 6, 7]);
  await chat.quit();
  await rest(chat);
  assert.equal(pongs.length, 1);
  assert.deepEqual([chat.bye.reconnect, chat.pause()], ['later', 5000]);
  chat.close();
  await server.close();
});
await check('replays: whole, cut short, with a gap, of another epoch, of whispers; requests are made again', async () => {
  const hellos = [], again = [];
  const dm = (seq) => ({ ...said('dm:u1:u2', seq), type: 'whisper', to: someone('u1') });
  const server = await fake((n, send, destroy) => ({
    hello: (re, frame) => {
      hellos.push(frame.resume);
      if (n === 1) return send(welcome(re, 'u1', resume('t1', false)));
      if (n === 2) return destroy();   // breaks again before the welcome
      send(begin('DEV', 'e', 3, 5, 8, false), said('DEV', 4), { type: 'dance' }, { type: 'join', room: 'ops', user: someone('u7') }, said('DEV', 5), end('DEV', 'paused'),
        begin('ops', 'e', 20, 21, 21, false), said('ops', 21), end('ops'),
        begin('old', 'y', 2, 2, 2, false), end('old'), said('DEV', 9),
        begin('dm:u1:u2', 'e', 0, 3, 3, true), dm(1), dm(2), dm(3), end('dm:u1:u2'),
        begin('*', 'e', 0, 0, 0, true), end('*'), dm(3), said('old', 3), welcome(re, 'u1', resume('t1', true)));
    },
    join: (re, { room }) => send(joined(re, room === 'dev' ? 'DEV' : room, room === 'old' ? 'x' : 'e', { dev: 3, ops: 10, old: 7 }[room])),
    ping: (re) => send(dm(1), dm(2), { type: 'ok', re }),
    broadcast: (re, { cid }) => { again.push([n, re, cid]); if (again.length === 2) destroy(); if (n === 3) send({ type: 'ok', re, room: 'dev', seq: 10 }); },
    history: (re, { room, after }) => { assert.deepEqual([n, room, after], [3, 'dev', 5]);
      send({ type: 'ok', re, room: 'DEV', epoch: 'e', oldest: 1, head: 9, more: false, events: [6, 7, 8, 9].map((seq) => said('DEV', seq)) }); },
  }));
  const chat = await Chat.connect({ port: server.port, nick: 'u1', resume: true, pace: 1 });
  for (const name of ['dev', 'ops', 'old']) await chat.join(name);
  await chat.ping();
  assert.deepEqual(types(chat.take()), ['whisper', 'whisper']);
  const both = [chat.say('dev', 'one', 'c1'), chat.say('dev', 'two', 'c2')];
  await Promise.all(both);
  const seen = await until(chat, (e) => e.room === 'DEV' && e.seq === 9);
  assert.deepEqual(seen.map(brief), ['away', 'away', 'broadcast DEV 4', 'join ops', 'broadcast DEV 5', 'gap ops 10', 'broadcast ops 21', 'reset old 2',
    'whisper dm:u1:u2 3', 'broadcast old 3', 'back true', ...[6, 7, 8, 9].map((seq) => `broadcast DEV ${seq}`)]);
  assert.deepEqual(hellos[0], true);
  assert.deepEqual(hellos[1], { token: 't1', rooms: { dev: ['e', 3], ops: ['e', 10], old: ['x', 7], '*': ['e', 0] } });
  assert.deepEqual(hellos[2], hellos[1]);
  assert.deepEqual(again.map(([n, , cid]) => [n, cid]), [[1, 'c1'], [1, 'c2'], [3, 'c1'], [3, 'c2']]);
  assert.deepEqual(again.slice(2).map(([, re]) => re), again.slice(0, 2).map(([, re]) => re));
  chat.close();
  await server.close();
});
await check('a stay that is over: what was kept is found, what was not is said again, a whisper is in doubt', async () => {
  const hellos = [], again = [];
  const server = await fake((n, send, destroy) => ({
    hello: (re, frame) => {
      hellos.push([frame.nick, frame.resume]);
      if (n === 1) return send(welcome(re, 'u1', resume('t1', false)));
      if (frame.nick) return send({ type: 'error', re, code: 'nick.taken', message: '', fatal: false });
      send(begin('dev', 'e', 3, 4, 4, true), said('dev', 4, { user: someone('u1'), cid: 'kept' }), end('dev'), welcome(re, 'u9', resume('t2', false)));
    },
    join: (re) => send(joined(re, 'dev', 'e', 3)),
    broadcast: (re, { cid, text }) => { if (n === 2) { again.push([cid, text]); send({ type: 'ok', re, room: 'dev', seq: 5 }); } },
    whisper: () => destroy(),
  }));
  const chat = await Chat.connect({ port: server.port, nick: 'u1', resume: true, pace: 1 });
  await chat.join('dev');
  const [kept, lost, doubt] = [chat.say('dev', 'one', 'kept'), chat.say('dev', 'two', 'lost'), chat.whisper('u2', 'psst')];
  await refused(doubt, 'connection.lost');
  assert.deepEqual([(await kept).seq, (await kept).duplicate], [4, true]);
  assert.equal((await lost).seq, 5);
  assert.deepEqual(again.map(([, text]) => text), ['two']);
  assert.notEqual(again[0][0], 'lost');
  assert.deepEqual(hellos.slice(1).map(([nick, { token }]) => [nick, token]), [['u1', 't1'], [undefined, 't1']]);
  assert.deepEqual([chat.user.uid, chat.token], ['u9', 't2']);
  chat.close();
  await server.close();
});
await check('whoever was replaced stays away', async () => {
  const server = await fake((n, send) => ({
    hello: (re) => send(welcome(re, 'u1', resume('t1', false)), { type: 'bye', code: 'session.replaced', message: '', reconnect: 'never' }),
  }));
  const chat = await Chat.connect({ port: server.port, resume: true, pace: 1 });
  assert.deepEqual(types(await rest(chat)), ['bye']);
  assert.equal(chat.pause(), null);
  chat.close();
  await server.close();
});

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
