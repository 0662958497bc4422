// node comeback.mjs PORT: two people whose connections, and whose durable server, are killed again and again.
// It asks for what it cannot do itself on standard output (`kill the server`) and goes on when a line comes back.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { Chat } from './client.mjs';

const port = Number(process.argv[2]);
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const killServer = async () => { console.log('kill the server'); await answers.next(); };
let passed = 0, failed = 0;
async function check(name, body) {
  try { await body(); passed++; console.log(`ok    ${name}`); }
  catch (error) { failed++; console.log(`FAIL  ${name}: ${error.stack}`); }
}
const refused = (promise, code) => assert.rejects(promise, (error) => error.code === code || assert.fail(error.stack));
const arrived = (fields = {}) => Chat.connect({ port, resume: true, pace: 20, ...fields });
const numbers = (first, last) => Array.from({ length: last - first + 1 }, (_, n) => first + n);
const OWN = new Set(['away', 'back']);

/** Reads until number `seq` of `room`; what the server sent, without what the client says of itself. */
async function until(chat, room, seq) {
  const all = [];
  for await (const event of chat) {
    if (!OWN.has(event.type)) all.push(event);
    if (event.room === room && event.seq === seq) return all;
  }
}
async function pages(chat, room) {
  const all = [];
  for (let page = { more: true }, after = 0; page.more; after = all.at(-1).seq) all.push(...(page = await chat.history(room, { after })).events);
  return all;
}
const texts = (events) => events.map((event) => event.text);

let alice, bob, dm;
await check('two arrive', async () => {
  [alice, bob] = [await arrived({ nick: 'alice' }), await arrived({ nick: 'bob' })];
  assert.equal(alice.welcome.durability, 'disk');
  assert.equal(alice.welcome.resume.resumed, false);
  await alice.join('dev'); await bob.join('dev');
  await alice.ping(); await bob.ping();
  alice.take(); bob.take();
});
await check('the author is cut off again and again: everything is said once, and nobody hears of it', async () => {
  const sent = [];
  for (const n of numbers(1, 60)) {
    sent.push(alice.say('dev', `text ${n}`));
    if (n % 10 === 5) alice.cut();
    if (n % 10 === 0) await sent.at(-1);
  }
  const replies = await Promise.all(sent);
  assert.deepEqual(replies.map((reply) => reply.seq), numbers(1, 60));
  for (const chat of [alice, bob]) assert.deepEqual(texts(await until(chat, 'dev', 60)), numbers(1, 60).map((n) => `text ${n}`));
});
await check('the reader is cut off again and again: everything is seen once', async () => {
  const reading = until(bob, 'dev', 120);
  for (const n of numbers(61, 120)) {
    if (n % 7 === 0) bob.cut();
    await alice.say('dev', `text ${n}`);
  }
  assert.deepEqual((await reading).map((event) => event.seq), numbers(61, 120));
  assert.deepEqual((await until(alice, 'dev', 120)).map((event) => event.seq), numbers(61, 120));
});
await check('the server is killed while both talk: nothing acknowledged is lost, nothing is said twice', async () => {
  const views = [until(alice, 'dev', 420), until(bob, 'dev', 420)];
  let talking = [];
  for (const round of [1, 2, 3]) {
    for (const n of numbers(1, 50)) for (const chat of [alice, bob]) talking.push(chat.say('dev', `${chat.user.nick} ${round} ${n}`));
    await Promise.race(talking.slice(-100));   // some of them are answered, others are on their way
    await killServer();
    talking = [await Promise.all(talking)].flat();
  }
  assert.deepEqual(talking.map((reply) => reply.seq).sort((a, b) => a - b), numbers(121, 420));
  const kept = await pages(bob, 'dev');
  assert.deepEqual(kept.map((event) => event.seq), numbers(1, 420));
  assert.equal(new Set(texts(kept)).size, 420);
  for (const view of views) assert.deepEqual(await view, kept.slice(120));   // and nobody was seen to leave or join
  for (const nick of ['alice', 'bob']) {
    const own = texts(kept).filter((text) => text.startsWith(`${nick} `));
    assert.deepEqual(own, [1, 2, 3].flatMap((round) => numbers(1, 50).map((n) => `${nick} ${round} ${n}`)));
  }
});
await check('a cid is remembered: the same is answered as the first time, other content is refused', async () => {
  const first = await alice.say('dev', 'once', 'c1');
  await killServer();
  assert.deepEqual(await alice.say('dev', 'once', 'c1').then(({ re, ...reply }) => reply), { type: 'ok', room: 'dev', seq: first.seq, ts: first.ts, duplicate: true });
  await refused(alice.say('dev', 'twice', 'c1'), 'cid.conflict');
  await refused(alice.whisper('bob', 'once', 'c1'), 'cid.conflict');
  assert.equal((await bob.say('dev', 'once', 'c1')).duplicate, undefined);   // the cid of another author
  for (const chat of [alice, bob]) assert.deepEqual(texts(await until(chat, 'dev', first.seq + 1)), ['once', 'once']);
});
await check('a whisper waits for who is away, through a restart', async () => {
  const first = await alice.whisper('bob', 'are you there?');
  dm = first.room;
  await until(bob, dm, 1);
  const token = bob.token, cursors = new Map(bob.cursors);
  bob.close();
  assert.equal((await alice.whisper('BOB', 'psst')).seq, 2);
  assert.ok((await alice.users('dev')).users.some((user) => user.nick === 'bob'));
  await killServer();
  assert.equal((await alice.whisper('bob', 'still not?')).seq, 3);
  const before = bob.user;
  bob = await arrived({ resume: { token }, cursors });
  assert.deepEqual([bob.welcome.resume.resumed, bob.user, bob.token], [true, before, token]);
  assert.deepEqual(texts(await until(bob, dm, 3)), ['psst', 'still not?']);
  assert.deepEqual((await until(alice, dm, 3)).map((event) => event.seq), [1, 2, 3]);
});
await check('a program that kept its token alone is in its rooms, and nothing is replayed', async () => {
  const { token } = bob;
  bob.close();
  await alice.say('dev', 'meanwhile');
  bob = await arrived({ resume: { token } });
  assert.deepEqual([bob.welcome.resume.resumed, bob.welcome.resume.rooms, bob.take()], [true, ['dev'], []]);
  const { seq } = await bob.join('dev');
  assert.equal((await until(alice, 'dev', seq)).length, 1);   // no word of bob's join
});
await check('rooms named are entered, rooms not named are left', async () => {
  const { token } = bob;
  await bob.join('ops'); await alice.join('ops'); await alice.ping(); alice.take();
  bob.close();
  bob = await arrived({ resume: { token }, cursors: new Map([['dev', bob.cursors.get('dev')], ['new', { epoch: 'x', seq: 1 }]]) });
  assert.deepEqual(bob.welcome.resume.rooms.sort(), ['dev', 'new']);
  await alice.ping();
  assert.deepEqual(alice.take().map((e) => [e.type, e.room, e.reason ?? e.role]), [['leave', 'ops', 'left'], ['promote', 'ops', 'owner']]);
  assert.deepEqual(bob.take().filter((e) => e.type !== 'whisper').map((e) => [e.type, e.room]), [['reset', 'new'], ['join', 'new']]);
});
await check('who shows the token takes the stay over', async () => {
  const other = await arrived({ resume: { token: bob.token }, cursors: bob.cursors });
  for await (const event of bob) if (event.type === 'bye') break;
  assert.deepEqual([bob.bye.code, bob.bye.reconnect], ['session.replaced', 'never']);
  assert.equal(other.user.uid, bob.user.uid);
  bob = other;
  await alice.ping();
  assert.deepEqual(alice.take(), []);
});
await check('who missed more than is replayed at once gets the rest from history', async () => {
  const { token, cursors } = bob, first = cursors.get('dev').seq + 1, last = first + 699;
  bob.close();
  await Promise.all(numbers(first, last).map((n) => alice.say('dev', `more ${n}`)));
  bob = await arrived({ resume: { token }, cursors });
  assert.deepEqual((await until(bob, 'dev', last)).filter((e) => e.room === 'dev').map((event) => event.seq), numbers(first, last));
  await bob.ping();
  assert.deepEqual(bob.take(), []);
  await until(alice, 'dev', last);
});
await check('a token that nobody knows is no error: another stay, the same rooms, everything replayed', async () => {
  const carol = await arrived({ nick: 'carol', resume: { token: 'nobodys' }, cursors: new Map([['dev', { epoch: alice.cursors.get('dev').epoch, seq: 100 }], [dm, { epoch: 'x', seq: 0 }]]) });
  assert.deepEqual([carol.welcome.resume.resumed, carol.user.nick, carol.welcome.resume.rooms], [false, 'carol', ['dev']]);
  assert.notEqual(carol.token, 'nobodys');
  const { seq } = alice.cursors.get('dev');
  assert.deepEqual((await until(carol, 'dev', seq)).filter((e) => e.seq).map((event) => event.seq), numbers(101, seq));
  await refused(carol.history(dm), 'room.not_member');
  assert.deepEqual(carol.take(), []);
  await carol.quit();
  for await (const event of alice) if (event.type === 'leave') { assert.equal(event.reason, 'quit'); break; }
});
await check('search finds words in what one may read', async () => {
  const { seq } = await alice.say('dev', 'Der Bäcker öffnet; "OR" NOT*');
  assert.deepEqual((await bob.search('backer off')).hits.map((event) => event.seq), [seq]);
  assert.deepEqual((await bob.search('or not')).hits.map((event) => event.seq), [seq]);
  assert.deepEqual((await bob.search('text', { room: 'dev', sender: 'ALICE', limit: 2 })).hits.map((event) => event.text), ['text 119', 'text 120']);
  const page = await bob.search('text', { room: 'dev', before: 119, limit: 100 });
  assert.deepEqual([page.hits.length, page.hits.at(-1).text, page.more], [100, 'text 118', true]);
  assert.deepEqual(texts((await bob.search('psst')).hits), ['psst']);
  await refused(bob.search('*'), 'field.invalid');
  await refused(bob.search('x', { before: 3 }), 'field.invalid');
});
await check('who quits is gone at once, and the token with it', async () => {
  await until(alice, 'dev', alice.cursors.get('dev').seq);
  const { token } = bob, { uid } = bob.user;
  await bob.quit();
  for await (const event of alice) if (event.type === 'leave') { assert.deepEqual([event.reason, event.user.uid], ['quit', uid]); break; }
  const again = await arrived({ nick: 'bob', resume: { token } });
  assert.equal(again.welcome.resume.resumed, false);
  assert.notEqual(again.user.uid, uid);
  await again.quit(); await alice.quit();
});

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
