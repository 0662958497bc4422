// node moderation.mjs PORT: accounts, keys, and a room that defends itself, on a server with its usual limits.
import assert from 'node:assert/strict';
import { Chat, describe } from './client.mjs';

const port = Number(process.argv[2]);
let passed = 0, failed = 0;
async function check(name, body) {
  try { await body(); passed++; console.log(`ok    ${name}`); }
  catch (error) { failed++; console.log(`FAIL  ${name}: ${error.stack}`); }
}
const refused = (promise, code) => assert.rejects(promise, (error) => error.code === code || assert.fail(error.stack));
const told = async (chat) => { await chat.ping(); return chat.take(); };
const short = (events) => events.map((e) => [e.type, e.room, e.target?.nick ?? e.user?.nick, e.reason].filter(Boolean).join(' '));

const PASSWORD = 'correct horse battery';
let alice, bob, mallory, pem, uid;

await check('a guest registers, and stays who they are', async () => {
  alice = await Chat.connect({ port, nick: 'alice', resume: true });
  bob = await Chat.connect({ port, nick: 'bob', resume: true });
  await alice.join('dev'); await bob.join('dev');
  ({ uid } = alice.user);
  await refused(alice.register('short'), 'auth.weak');
  await refused(alice.register('ALICE'), 'auth.weak');
  const { user, rooms } = await alice.register(PASSWORD);
  assert.deepEqual([user, rooms], [{ uid, nick: 'alice', registered: true }, ['dev']]);
  const news = (await told(bob)).filter((e) => e.type === 'nick');
  assert.deepEqual(news.map((e) => [e.old, e.user.registered]), [['alice', true]]);
});
await check('the name is refused to others, in any case', async () => {
  await refused(Chat.connect({ port, nick: 'ALICE' }), 'nick.reserved');
  await alice.nick('alicia');
  assert.equal(alice.user.registered, undefined);
  await refused(bob.nick('Alice'), 'nick.reserved');
  await alice.nick('alice');
  assert.equal(alice.user.registered, true);
});
await check('a key logs in, once per challenge; others fail alike', async () => {
  pem = await alice.makeKey();
  const other = await Chat.connect({ port });
  const guest = other.user.uid;
  assert.deepEqual((await other.loginByKey('Alice', pem)).user, alice.user);
  await refused(other.login('alice', PASSWORD), 'auth.already');
  await other.logout();
  assert.notEqual(other.user.uid, guest);
  await refused(other.loginByKey('nobody', pem), 'auth.failed');
  await refused(other.login('alice', 'not the password'), 'auth.failed');
  await other.quit();
});
await check('two sessions are one person', async () => {
  const other = await Chat.connect({ port, login: { nick: 'Alice', password: PASSWORD } });
  assert.equal(other.user.uid, uid);
  bob.take();
  await other.join('dev');
  await bob.whisper('alice', 'to both of you');
  for (const chat of [alice, other]) assert.ok((await told(chat)).some((e) => e.text === 'to both of you'));
  await other.quit();
  assert.deepEqual(short(await told(bob)).filter((line) => /join|leave/.test(line)), []);
});
await check('who logs in on the way leaves as one and enters as the other', async () => {
  const carol = await Chat.connect({ port, nick: 'carol' });
  await carol.join('cellar');
  await bob.join('cellar');
  await bob.ping(); bob.take();
  const reply = await carol.loginByKey('alice', pem);
  assert.deepEqual([reply.user.uid, reply.rooms], [uid, ['cellar']]);
  const lines = short(await told(bob));
  assert.deepEqual([lines[0], lines.at(-1)], ['leave cellar carol switched', 'join cellar alice']);
  await carol.quit();
  await bob.leave('cellar');
});
await check('the first owns the room; moderators look after it', async () => {
  await refused(bob.request('kick', { room: 'dev', target: 'alice' }), 'permission.denied');
  await refused(bob.topic('dev', 'mine now'), 'permission.denied');
  await alice.request('promote', { room: 'dev', target: 'bob' });
  assert.deepEqual((await bob.request('mods', { room: 'dev' })).mods.map((m) => [m.user.nick, m.role]), [['alice', 'owner'], ['bob', 'moderator']]);
  await bob.topic('dev', 'ours');
  await refused(bob.request('kick', { room: 'dev', target: 'alice' }), 'permission.denied');
});
await check('who is kicked hears why, and may come back', async () => {
  mallory = await Chat.connect({ port, nick: 'mallory', resume: true });
  await mallory.join('dev');
  await told(mallory);
  const { seq } = await bob.request('kick', { room: 'dev', target: 'mallory', reason: 'noise' });
  const events = await told(mallory);
  assert.deepEqual(short(events), ['kick dev mallory noise', 'leave dev mallory kicked']);
  assert.deepEqual([events[0].seq, describe(events[0])], [seq, '#dev bob kicked mallory: noise']);
  await refused(mallory.say('dev', 'again'), 'room.not_member');
  assert.equal(mallory.cursors.has('dev'), false);   // it will not be entered by coming back
  await mallory.join('dev');
});
await check('who is banned stays out under every name, and nothing they said is behind the ban', async () => {
  const said = Array.from({ length: 5 }, (_, n) => mallory.say('dev', `noise ${n}`).catch((error) => error));
  const { seq } = await bob.request('ban', { room: 'dev', target: 'mallory', seconds: 600 });
  for (const reply of await Promise.all(said)) assert.ok(reply.seq < seq || reply.code, JSON.stringify(reply));
  await refused(mallory.join('dev'), 'room.banned');
  await mallory.nick('innocent');
  await refused(mallory.join('DEV'), 'room.banned');
  const again = await Chat.connect({ port, nick: 'newcomer' });
  await refused(again.join('dev'), 'room.banned');      // a guest from the same address
  await again.quit();
  const [ban] = (await bob.request('bans', { room: 'dev' })).bans;
  assert.deepEqual([ban.nick, ban.by, ban.address], ['mallory', 'bob', true]);
  assert.ok(!JSON.stringify(ban).includes('127.0.0.1'));
  const events = (await alice.history('dev', { after: seq - 1 })).events;
  assert.equal(events[0].type, 'ban');
  assert.ok(!events.some((e) => e.text?.startsWith('noise')));
});
await check('an act from a room one is not in is told and not counted', async () => {
  mallory.take();
  await alice.request('unban', { room: 'dev', target: '#1' });
  await alice.request('mute', { room: 'dev', target: 'innocent', seconds: 60 });
  assert.deepEqual(short(await told(mallory)), ['unban dev innocent']);   // a mute can carry a text: only who is there
  assert.equal(mallory.cursors.has('dev'), false);
  await mallory.join('dev');
  await refused(mallory.say('dev', 'let me speak'), 'room.muted');
  await alice.request('unmute', { room: 'dev', target: 'innocent' });
  await mallory.say('dev', 'thank you');
});
await check('modes are kept by the server', async () => {
  await alice.request('mode', { room: 'dev', moderated: true });
  await refused(mallory.say('dev', 'hm'), 'room.moderated');
  await bob.say('dev', 'moderators speak');
  const { mode } = await alice.request('mode', { room: 'dev', moderated: false, password: 'open sesame', slow: 30 });
  assert.deepEqual(mode, { password: true, slow: 30 });
  await mallory.leave('dev');
  await refused(mallory.join('dev'), 'room.password');
  assert.deepEqual((await mallory.join('dev', 'open sesame')).mode, mode);
  await mallory.say('dev', 'once');
  await refused(mallory.say('dev', 'twice'), 'room.slow');
  await alice.request('mode', { room: 'dev', password: '', slow: 0 });
});
await check('who ignores somebody hears nothing from them', async () => {
  await alice.request('ignore', { target: 'innocent' });
  await refused(mallory.whisper('alice', 'psst'), 'user.ignores');
  await alice.request('unignore', { target: 'innocent' });
  await mallory.whisper('alice', 'psst');
});
await check('who keeps to the rate is never warned, and who does not waits and sends again', async () => {
  const numbers = Array.from({ length: 14 }, (_, n) => n);
  const replies = await Promise.all(numbers.map((n) => bob.say('dev', `quick ${n}`)));
  assert.deepEqual(replies.map((reply) => reply.seq - replies[0].seq), numbers);
  assert.ok(!(await told(bob)).some((e) => e.type === 'notice'));
  const raw = ['one', 'two', 'three'].map((n) => ({ room: 'dev', text: `${n} too many`, cid: n }));
  for (const fields of raw) await bob.request('broadcast', fields, { paced: false });   // past the client's own count
  assert.ok((await told(bob)).some((e) => e.type === 'notice' && e.code === 'rate.messages'));
  const texts = (await alice.history('dev', { limit: 5 })).events.map((e) => e.text);
  assert.deepEqual(texts.slice(-3), raw.map((fields) => fields.text));
});
await check('an administrator needs the right', async () => {
  for (const type of ['sessions', 'stats', 'audit', 'lockdown', 'accounts']) await refused(alice.request(type), 'permission.denied');
  await refused(alice.request('elevate', { password: 'a guess' }), 'permission.denied');   // there is no password
  await refused(alice.say('*', 'everybody!'), 'permission.denied');
});
await check('who logs in elsewhere with a new password ends the others', async () => {
  const other = await Chat.connect({ port, login: { nick: 'alice', password: PASSWORD } });
  await other.request('passwd', { old: PASSWORD, new: `${PASSWORD} staple` });
  for await (const event of alice) if (event.type === 'bye') break;
  assert.deepEqual([alice.bye.code, alice.bye.reconnect], ['session.revoked', 'never']);
  await refused(Chat.connect({ port, login: { nick: 'alice', password: PASSWORD } }), 'auth.failed');
  await other.quit();
});
await Promise.all([bob.quit(), mallory.quit()]);

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
