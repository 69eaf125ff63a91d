// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * i2c-bench: I2C adapters whose devices are a program.
 *
 * /dev/i2c-N (N: each number of the parameter "buses") is a real adapter of the kernel. Each transfer
 * is handed to whoever has /dev/i2c-bench open:
 *   read()   waits for a transfer: struct ask, then what is written to the device
 *   write()  answers it: struct answer, then what is read from the device
 * Nobody there, or no answer within a second: the transfer fails as on a Pi's bus whose clock is
 * held (ETIMEDOUT).
 */
#include <linux/fs.h>
#include <linux/i2c.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#define MOST 4096
#define ANSWER_WITHIN HZ

#define MOST_BUSES 4

static int buses[MOST_BUSES] = { 1 };
static int number_of_buses = 1;
module_param_array(buses, int, &number_of_buses, 0444);
MODULE_PARM_DESC(buses, "numbers of the adapters");

struct ask {
	__u32 id;
	__u16 address;
	__u16 written;	/* bytes that follow */
	__u16 count;	/* bytes wanted */
	__u16 bus;
};

struct answer {
	__u32 id;
	__s32 error;	/* 0, or an errno: the transfer fails with it */
};

enum state { IDLE, ASKED, TAKEN, ANSWERED };

static DEFINE_MUTEX(transfers);		/* one at a time */
static DEFINE_SPINLOCK(lock);		/* guards what follows */
static DECLARE_WAIT_QUEUE_HEAD(changed);
static enum state state;
static bool is_attended;
static struct ask ask;
static s32 error;
static u8 written[MOST];
static u8 answered[MOST];

static void become(enum state next)
{
	spin_lock(&lock);
	state = next;
	spin_unlock(&lock);
	wake_up_all(&changed);
}

static int bench_xfer(struct i2c_adapter *adapter, struct i2c_msg *messages, int number)
{
	u16 at = 0;
	int i, result = number;

	mutex_lock(&transfers);
	ask.id++;
	ask.bus = adapter->nr;
	ask.address = messages[0].addr;
	ask.written = 0;
	ask.count = 0;
	for (i = 0; i < number; i++) {
		struct i2c_msg *m = &messages[i];

		if (m->addr != ask.address || ask.written + ask.count + m->len > MOST) {
			result = -EOPNOTSUPP;
			goto out;
		}
		if (m->flags & I2C_M_RD) {
			ask.count += m->len;
		} else {
			memcpy(written + ask.written, m->buf, m->len);
			ask.written += m->len;
		}
	}
	become(ASKED);
	if (!wait_event_timeout(changed, READ_ONCE(state) == ANSWERED, ANSWER_WITHIN))
		result = -ETIMEDOUT;
	else if (error)
		result = -error;
	become(IDLE);
	for (i = 0; result > 0 && i < number; i++) {
		if (!(messages[i].flags & I2C_M_RD))
			continue;
		memcpy(messages[i].buf, answered + at, messages[i].len);
		at += messages[i].len;
	}
out:
	mutex_unlock(&transfers);
	return result;
}

static u32 bench_functionality(struct i2c_adapter *adapter)
{
	return I2C_FUNC_I2C | I2C_FUNC_SMBUS_EMUL;
}

static const struct i2c_algorithm algorithm = {
	.master_xfer = bench_xfer,
	.functionality = bench_functionality,
};

static struct i2c_adapter adapters[MOST_BUSES];

static int bench_open(struct inode *inode, struct file *file)
{
	int result = 0;

	spin_lock(&lock);
	if (is_attended)
		result = -EBUSY;
	is_attended = true;
	spin_unlock(&lock);
	return result;
}

static int bench_release(struct inode *inode, struct file *file)
{
	spin_lock(&lock);
	is_attended = false;
	spin_unlock(&lock);
	return 0;
}

static ssize_t bench_read(struct file *file, char __user *to, size_t size, loff_t *position)
{
	if (size < sizeof(ask) + MOST)
		return -EINVAL;
	for (;;) {
		if (wait_event_interruptible(changed, READ_ONCE(state) == ASKED))
			return -ERESTARTSYS;
		spin_lock(&lock);
		if (state == ASKED) {
			state = TAKEN;
			spin_unlock(&lock);
			break;
		}
		spin_unlock(&lock);
	}
	if (copy_to_user(to, &ask, sizeof(ask)) ||
	    copy_to_user(to + sizeof(ask), written, ask.written))
		return -EFAULT;
	return sizeof(ask) + ask.written;
}

static ssize_t bench_write(struct file *file, const char __user *from, size_t size, loff_t *position)
{
	struct answer head;

	if (size < sizeof(head) || size - sizeof(head) > MOST)
		return -EINVAL;
	if (copy_from_user(&head, from, sizeof(head)))
		return -EFAULT;
	if (copy_from_user(answered, from + sizeof(head), size - sizeof(head)))
		return -EFAULT;
	spin_lock(&lock);
	if (state == TAKEN && head.id == ask.id) {	/* else it has timed out: nobody waits */
		error = head.error;
		if (!error && size - sizeof(head) < ask.count)
			error = EREMOTEIO;
		state = ANSWERED;
	}
	spin_unlock(&lock);
	wake_up_all(&changed);
	return size;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = bench_open,
	.release = bench_release,
	.read = bench_read,
	.write = bench_write,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "i2c-bench",
	.fops = &operations,
	.mode = 0600,
};

static void remove_adapters(int number)
{
	while (number--)
		i2c_del_adapter(&adapters[number]);
}

static int __init bench_init(void)
{
	int i, result = misc_register(&device);

	for (i = 0; !result && i < number_of_buses; i++) {
		struct i2c_adapter *adapter = &adapters[i];

		adapter->owner = THIS_MODULE;
		adapter->algo = &algorithm;
		adapter->nr = buses[i];
		snprintf(adapter->name, sizeof(adapter->name), "i2c-bench %d", buses[i]);
		result = i2c_add_numbered_adapter(adapter);
		if (result) {
			remove_adapters(i);
			misc_deregister(&device);
		}
	}
	return result;
}

static void __exit bench_exit(void)
{
	remove_adapters(number_of_buses);
	misc_deregister(&device);
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_DESCRIPTION("I2C adapters whose devices are a program");
MODULE_LICENSE("GPL");
